import { settingProblems } from './factors.ts'
import {
  type Axis,
  axesOf,
  countProducts,
  type Entry,
  entriesOf,
  expandMatrix,
  extendsCases,
  MAX_CASES,
  type MatrixStudy,
  matches,
  NAME,
  settingsOf,
} from './matrix.ts'
import { choice, type Path, type Problem, schemaProblems, shown, suggestion } from './problems.ts'
import type { Readable } from './readable.ts'
import type { GuestConfig } from './schema.ts'
import { caseNameSchema } from './study-schema.ts'
import type { ReadableStudy } from './vm-names.ts'

/** What is wrong with the matrix of a study, as seen from it. */
export function matrixProblems(study: ReadableStudy, guest: Readable<GuestConfig>): Problem[] {
  const axes = axesOf(study)
  const problems: Problem[] = [
    ...axes.flatMap(axisProblems),
    ...once(settingsOf(study).flatMap((setting) => settingProblems(setting, guest, study))),
    ...twiceSet(study, axes),
  ]
  // That there are too many cases is said with their names.
  if (countProducts(study) > MAX_CASES) return problems
  problems.push(
    ...entriesOf(study.include).flatMap((entry, index) =>
      includeProblems(entry, ['include', index], study, axes),
    ),
    ...excludeProblems(study, axes),
  )
  return problems.length > 0 ? problems : referenceProblems(study)
}

const PLAIN = 'a plain name for what varies together, such as image'

/** The name of a factor whose values are mappings is no path. */
function axisProblems({ name, values }: Axis): Problem[] {
  const together = values.some(({ settings }) => !Object.hasOwn(settings, name))
  if (!together || /^[a-zA-Z][\w-]{0,31}$/.test(name)) return []
  return [{ path: ['factors', name], at: 'key', message: `expected ${PLAIN}, got ${shown(name)}` }]
}

/** A case has one value of each key, wherever it comes from. */
function twiceSet(study: MatrixStudy & Pick<ReadableStudy, 'settings'>, axes: readonly Axis[]) {
  const owners = new Map<string, string>()
  const problems: Problem[] = []
  for (const { name, values } of axes) {
    const seen = new Map<string, Path>()
    for (const { settings, place } of values) {
      for (const key of Object.keys(settings)) {
        if (!seen.has(key)) seen.set(key, key === name ? ['factors', name] : [...place, key])
      }
    }
    for (const [key, path] of seen) {
      const owner = owners.get(key)
      if (owner === undefined) owners.set(key, name)
      else problems.push(taken(path, key, `factor ${owner}`))
      if (Object.hasOwn(study.settings ?? {}, key)) problems.push(taken(path, key, 'settings'))
    }
  }
  return problems
}

function taken(path: Path, key: string, owner: string): Problem {
  return { path, at: 'key', message: `expected ${key} in one place, got it in ${owner} too` }
}

function includeProblems(
  entry: Entry,
  path: Path,
  study: MatrixStudy,
  axes: readonly Axis[],
): Problem[] {
  const { [NAME]: name, ...values } = entry
  if (Object.keys(values).length === 0 && name === undefined) {
    return [{ path, at: 'value', message: 'expected at least one key, got an empty mapping' }]
  }
  const original = expandMatrix({ factors: study.factors, exclude: study.exclude })
  const extending = axes.length > 0 && extendsCases(entry, axes, original)
  const problems: Problem[] =
    name === undefined
      ? []
      : schemaProblems(caseNameSchema, name).map((one) => ({ ...one, path: [...path, NAME] }))
  for (const [key, value] of Object.entries(values)) {
    const axis = axes.find((axis) => axis.name === key)
    if (axis && isNamed(axis)) problems.push(...valueProblems(axis, value, [...path, key]))
    if (axis) continue
    const owner = axes.find(
      (axis) =>
        (extending || Object.hasOwn(values, axis.name)) &&
        axis.values.some(({ settings }) => Object.hasOwn(settings, key)),
    )
    if (owner) problems.push(taken([...path, key], key, `factor ${owner.name}`))
  }
  return problems
}

function excludeProblems(study: MatrixStudy, axes: readonly Axis[]): Problem[] {
  const names = axes.map(({ name }) => name)
  let left = expandMatrix({ factors: study.factors })
  const problems: Problem[] = []
  for (const [index, entry] of entriesOf(study.exclude).entries()) {
    const path = ['exclude', index]
    const wrong = Object.entries(entry).flatMap(([key, value]) => {
      const axis = axes.find(({ name }) => name === key)
      if (axis) return valueProblems(axis, value, [...path, key])
      const message = `expected a factor: ${choice(names)}, got ${shown(key)}${suggestion(key, names)}`
      return [{ path: [...path, key], at: 'key' as const, message }]
    })
    problems.push(...wrong)
    const rest = left.filter(({ factors }) => !matches(entry, factors))
    if (wrong.length === 0 && rest.length === left.length) {
      const message = 'expected values of a case that is left, got those of none'
      problems.push({ path, at: 'value', message })
    }
    left = rest
  }
  const none = study.exclude?.length && left.length === 0 && !study.include?.length
  if (problems.length === 0 && none) {
    const message = 'expected to leave one case at the least, got every case excluded'
    problems.push({ path: ['exclude'], at: 'key', message })
  }
  return problems
}

function isNamed({ name, values }: Axis): boolean {
  return values.some(({ value, settings }) => settings[name] !== value)
}

function valueProblems({ name, values }: Axis, value: unknown, path: Path): Problem[] {
  const known = values.map((one) => String(one.value))
  if (values.some((one) => one.value === value)) return []
  const meant = typeof value === 'string' ? suggestion(value, known) : ''
  const message = `expected a value of ${name}: ${choice(known)}, got ${shown(value)}${meant}`
  return [{ path, at: 'value', message }]
}

function referenceProblems(study: ReadableStudy): Problem[] {
  const name = study.reference?.case
  if (name === undefined) return []
  const names = expandMatrix(study).map((point) => point.name)
  if (names.includes(name)) return []
  const shownNames =
    names.length > 12 ? [...names.slice(0, 12), `${names.length - 12} more`] : names
  const message = `expected a case: ${choice(shownNames)}, got ${shown(name)}${suggestion(name, names)}`
  return [{ path: ['reference'], at: 'value', message }]
}

/** The same mistake of each value of a factor is one of its key. */
function once(problems: readonly Problem[]): Problem[] {
  const seen = new Map(problems.map((problem) => [JSON.stringify(problem), problem]))
  return [...seen.values()]
}
