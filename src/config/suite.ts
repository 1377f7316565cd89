import { existsSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { ConfigError } from '../lib/errors.ts'
import { hasKey, settingProblems } from './factors.ts'
import { type Config, checked, parseSource, readText, type Source } from './load.ts'
import { settingsOf } from './matrix.ts'
import { withAbsoluteFactors } from './paths.ts'
import { type Problem, schemaProblems, shown } from './problems.ts'
import { readable } from './readable.ts'
import type { StudyConfig } from './schema.ts'
import { suiteProblems } from './study-rules.ts'
import { type DerivedSuite, derivedSuiteSchema, suiteSchema } from './study-schema.ts'
import { name as nameSchema } from './values.ts'
import type { ReadableStudy } from './vm-names.ts'

/** Studies in a file of their own, which use the tiers and guests of a config. */
export interface Suite {
  /** What its file is called: `paper` of `studies/paper.yaml`. */
  name: string
  /** By the names that they have in the file. */
  studies: Record<string, StudyConfig>
}

/**
 * Reads a suite file, or of it only the parts that are named. Throws a {@link ConfigError} with all mistakes of these,
 * and with what the config does not have of what they need.
 */
export async function loadSuite(
  file: string,
  config: Config,
  parts?: readonly string[],
): Promise<Suite> {
  const name = suiteName(file)
  const source = await readSource(file)
  if (!isDerived(source)) return { name, studies: suiteStudies(source, name, config, parts) }
  const { base, changes } = await derivation(source)
  const studies = derived(suiteStudies(base, name, config, parts), changes)
  const mistakes = settingMistakes(changes.settings, studies, config, parts === undefined)
  const wrong =
    mistakes.length > 0 ? mistakes : suiteProblems(studies, config, (part) => fullName(name, part))
  if (wrong.length > 0) checked(source, derivedSuiteSchema, wrong)
  return { name, studies }
}

/** What a study of a suite is called among all studies, and so in the names of its vms: `paper-buses`. */
export function fullName(suite: string, part: string): string {
  return `${suite}-${part}`
}

function suiteName(file: string): string {
  const name = basename(file).replace(/\.ya?ml$/, '')
  const [problem] = schemaProblems(nameSchema, name)
  if (!problem) return name
  throw new ConfigError([`${file}: the file's name is the suite's: ${problem.message}`])
}

async function readSource(file: string): Promise<Source> {
  return parseSource(await readText(file), file, 'a mapping with studies')
}

function isDerived({ value }: Source): boolean {
  return Object.hasOwn(value as object, 'extends')
}

/** What a suite that extends another changes of it. */
async function derivation(source: Source): Promise<{ base: Source; changes: DerivedSuite }> {
  const changes = checked(source, derivedSuiteSchema, [])
  const base = await readSource(resolve(dirname(source.file), changes.extends))
  if (!isDerived(base)) return { base, changes }
  const message = 'expected a suite that extends no other, got one that does'
  checked(source, derivedSuiteSchema, [{ path: ['extends'], at: 'value', message }])
  throw new TypeError('a suite with a problem passed')
}

function suiteStudies(
  source: Source,
  suite: string,
  config: Config,
  parts?: readonly string[],
): Record<string, StudyConfig> {
  const chosen = { ...source, value: onlyParts(source, parts) }
  const given = readable(suiteSchema, chosen.value)?.studies ?? {}
  const problems = suiteProblems(given, config, (part) => fullName(suite, part))
  const lacks = problems.filter(isLack)
  const lack = lackOf(given, source.file, config)
  // One line says more than one for each of a dozen values.
  if (lacks.length > 1 && lack !== undefined) {
    const others = problems.filter((problem) => !lacks.includes(problem))
    throw new ConfigError([...mistakesOf(chosen, others), lack])
  }
  const { studies } = checked(chosen, suiteSchema, problems)
  return withAbsoluteFactors(studies, dirname(resolve(source.file)))
}

function mistakesOf(source: Source, problems: readonly Problem[]): readonly string[] {
  try {
    checked(source, suiteSchema, problems)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}

/** Other parts may need what the config does not have. */
function onlyParts({ value, file }: Source, parts?: readonly string[]): unknown {
  const { studies, ...rest } = value as { studies?: unknown }
  if (!parts || typeof studies !== 'object' || studies === null) return value
  const known = Object.keys(studies)
  const unknown = parts.filter((part) => !known.includes(part))
  if (unknown.length > 0) {
    throw new ConfigError([`${file}: no study ${unknown.join(', ')}; it has ${known.join(', ')}`])
  }
  const chosen = Object.entries(studies).filter(([part]) => parts.includes(part))
  return { ...rest, studies: Object.fromEntries(chosen) }
}

/** A name of nothing in the config, that is not a misspelt one. */
function isLack({ message }: Problem): boolean {
  return /^expected a (tier|guest)\b/.test(message) && !message.includes('did you mean')
}

/** What a suite wants of the config that it does not have, since it was written for one that has all of it. */
function lackOf(
  studies: Record<string, ReadableStudy | undefined>,
  file: string,
  config: Config,
): string | undefined {
  const all = Object.values(studies).filter((study) => study !== undefined)
  const tiers = all
    .flatMap((study) => [
      ...Object.entries(study.settings ?? {}),
      ...settingsOf(study).map(({ key, value }) => [key, value] as const),
    ])
    .flatMap(([key, value]) => (/^drives\.[^.]+\.tier$/.test(key) ? [String(value)] : []))
  const lacking = [
    ...lacks(
      'guest',
      all.flatMap(({ guest }) => guest ?? []),
      config.guests,
    ),
    ...lacks('tier', tiers, config.tiers),
  ]
  if (lacking.length === 0) return undefined
  const beside = join(dirname(file), 'kvmio.yaml')
  const remedy =
    resolve(beside) !== config.file && existsSync(beside) ? `; try --config.file ${beside}` : ''
  return `${file}: ${config.file} does not have its ${lacking.join(' and ')}${remedy}`
}

function lacks(kind: string, wanted: readonly string[], there: object): string[] {
  const missing = [...new Set(wanted)].filter((name) => !Object.hasOwn(there, name)).sort()
  if (missing.length === 0) return []
  return [`${kind}${missing.length === 1 ? '' : 's'} ${missing.join(', ')}`]
}

/** The same studies with other values for the keys that they have, a workload's own among them. */
function derived(
  studies: Record<string, StudyConfig>,
  { settings, scale, drift, blocks, pause }: DerivedSuite,
): Record<string, StudyConfig> {
  return Object.fromEntries(
    Object.entries(studies).map(([name, study]) => {
      const own = Object.entries(settings).filter(([key]) => applies(key, study))
      const { reference } = study
      return [
        name,
        {
          ...study,
          settings: { ...study.settings, ...Object.fromEntries(own) },
          scale,
          ...(blocks && { blocks }),
          ...(pause !== undefined && { pause }),
          ...(reference && drift !== undefined && { reference: { ...reference, drift } }),
        },
      ]
    }),
  )
}

/** A key of another workload than the study's is left out there. */
function applies(key: string, { workload }: StudyConfig): boolean {
  return !key.startsWith('workload.') || key.startsWith(`workload.${workload.kind}.`)
}

/** A value that changes no study was meant for another key; of some of its parts a suite's settings may pass by all. */
function settingMistakes(
  settings: StudyConfig['settings'],
  studies: Record<string, StudyConfig>,
  { guests }: Config,
  whole: boolean,
): Problem[] {
  return Object.entries(settings).flatMap(([key, value]): Problem[] => {
    const path = ['settings', key]
    const using = Object.values(studies).filter((study) => applies(key, study))
    const fitting = using.find((study) => hasKey(key, guests[study.guest]!, study))
    if (fitting) {
      return settingProblems({ key, value, place: path }, guests[fitting.guest]!, fitting)
    }
    if (!whole && using.length === 0) return []
    const message = `expected a key that one of its studies has, got ${shown(key)}`
    return [{ path, at: 'key', message }]
  })
}
