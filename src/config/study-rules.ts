import { parseBytes } from '../lib/quantities.ts'
import { settingProblems, withFactors } from './factors.ts'
import { settingsOf } from './matrix.ts'
import { matrixProblems } from './matrix-rules.ts'
import { measureProblems, PHASES } from './phases.ts'
import { placementProblem } from './placement.ts'
import { choice, inside, type Path, type Problem, shown, unknownName } from './problems.ts'
import type { Readable, ReadableConfig } from './readable.ts'
import type { ConfigFile, GuestConfig, StudyConfig } from './schema.ts'
import {
  longPaths,
  type NamedStudy,
  nameProblems,
  type ReadableStudy,
  type Studies,
  sameNames,
} from './vm-names.ts'
import { workloadProblems } from './workload-rules.ts'
import type { WorkloadConfig } from './workload-schema.ts'

/** What is wrong with a config's studies; the state directory's path is absolute. */
export function studyProblems(config: ReadableConfig, state: string | undefined): Problem[] {
  const studies = readableStudies(config.studies, (name) => name)
  return [
    ...studies.flatMap((named) => one(named, config)),
    ...sameNames(studies),
    ...(state === undefined ? [] : longPaths(studies, state, { path: ['state'], at: 'value' })),
  ]
}

/** What is wrong with the studies of a suite file beside a config that is right; `fullName` is what a study is called. */
export function suiteProblems(
  suite: Record<string, ReadableStudy | undefined>,
  config: ConfigFile,
  fullName: (name: string) => string,
): Problem[] {
  const studies = readableStudies(suite, fullName)
  const names = studies.map(({ name }) => name)
  const others = readableStudies(config.studies, (name) => name).filter(
    ({ name }) => !names.includes(name),
  )
  return [
    ...studies.flatMap((named) => one(named, config)),
    ...studies.flatMap(({ name, place }) =>
      Object.hasOwn(config.studies, name) ? [taken(name, place)] : [],
    ),
    ...sameNames([...others, ...studies]),
    ...longPaths(studies, config.state, { path: ['studies'], at: 'key' }),
  ]
}

function taken(name: string, path: Path): Problem {
  const message = `expected a name that the config file does not use for a study, got ${name}, which it does`
  return { path, at: 'key', message }
}

function readableStudies(
  studies: ReadableConfig['studies'],
  fullName: (name: string) => string,
): Studies {
  return Object.entries(studies ?? {}).flatMap(([name, study]) =>
    study ? [{ name: fullName(name), place: ['studies', name], study }] : [],
  )
}

function one({ name, place, study }: NamedStudy, config: ReadableConfig): Problem[] {
  const guests = config.guests ?? {}
  const problems: Problem[] = []
  if (study.guest !== undefined && !Object.hasOwn(guests, study.guest)) {
    const message = unknownName('guest', study.guest, Object.keys(guests))
    problems.push({ path: ['guest'], at: 'value', message })
  }
  const guest = study.guest === undefined ? undefined : guests[study.guest]
  if (guest) problems.push(...ofGuest(study, guest, config))
  return inside(place, [...problems, ...ofItself(study), ...nameProblems(name, study)])
}

/** What does not hang on the guest. */
function ofItself({ blocks, measure, workload }: ReadableStudy): Problem[] {
  const kind = (workload as WorkloadConfig | undefined)?.kind
  const problems = kind === undefined ? [] : measureProblems(measure, kind)
  const { min, max } = blocks ?? {}
  if (min !== undefined && max !== undefined && max < min) {
    const message = `expected at least min, which is ${min}, got ${max}`
    problems.push({ path: ['blocks', 'max'], at: 'value', message })
  }
  return problems
}

function ofGuest(
  study: ReadableStudy,
  guest: Readable<GuestConfig>,
  config: ReadableConfig,
): Problem[] {
  const fixed = fixedSettings(study)
  const wrong = fixed.flatMap((setting) => settingProblems(setting, guest, study))
  if (wrong.length > 0) return wrong
  const base = withSettings(study, guest)
  const varied = settingsOf(study)
  return [
    ...matrixProblems(base.study, base.guest),
    ...[...fixed, ...varied].flatMap((setting) => tierProblems(setting, config)),
    ...ofWorkload(base.study, study.guest!, base.guest),
    ...balloonProblems(base.study, study.guest!, base.guest),
    ...placementProblems(base.study, base.guest, config),
  ]
}

function fixedSettings(study: ReadableStudy) {
  return Object.entries(study.settings ?? {}).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value, place: ['settings', key] as Path }],
  )
}

/** What the cases start from; the settings are right, and so is what they touch. */
function withSettings(study: ReadableStudy, guest: Readable<GuestConfig>) {
  const settings = Object.fromEntries(fixedSettings(study).map(({ key, value }) => [key, value]))
  if (Object.keys(settings).length === 0 || study.workload === undefined) return { study, guest }
  return withFactors(guest as GuestConfig, study as StudyConfig, settings) as {
    study: ReadableStudy
    guest: Readable<GuestConfig>
  }
}

/** A tier is the one key of a guest whose values have to exist elsewhere. */
function tierProblems(
  { key, value, place }: ReturnType<typeof settingsOf>[number],
  config: ReadableConfig,
): Problem[] {
  if (!/^drives\.[^.]+\.tier$/.test(key) || typeof value !== 'string') return []
  const known = Object.keys(config.tiers ?? {})
  if (known.includes(value)) return []
  return [{ path: place, at: 'value', message: unknownName('tier', value, known) }]
}

/** What would be true of each case; where tiers or formats vary, the planner skips the cases that it is true of. */
function placementProblems(
  study: ReadableStudy,
  guest: Readable<GuestConfig>,
  config: ReadableConfig,
): Problem[] {
  const varied = settingsOf(study).some(({ key }) =>
    /^(vms|drives\.[^.]+\.(tier|format))$/.test(key),
  )
  if (varied || study.vms === undefined) return []
  const raw = Object.entries(guest.drives ?? {}).map(([name, drive]) => [
    name,
    drive && { ...drive, format: 'raw' }, // another format is the guest's mistake, and said there
  ])
  const drives = { drives: Object.fromEntries(raw) }
  const message = placementProblem(drives, study.vms, (name) => config.tiers?.[name])
  return message === undefined ? [] : [{ path: ['vms'], at: 'value', message }]
}

/** What the workload asks of its guest; where a factor varies it, each case is looked at when it is planned. */
function ofWorkload(
  study: ReadableStudy,
  guestName: string,
  guest: Readable<GuestConfig>,
): Problem[] {
  const workload = study.workload as WorkloadConfig | undefined
  const paths = settingsOf(study).map(({ key }) => key)
  if (!workload || paths.some((path) => path.startsWith('workload.'))) return []
  const drives = Object.entries(guest.drives ?? {}).map(([name, drive]) => [
    name,
    { ...drive, size: Math.min(...sizesOf(study, name, drive?.size)) },
  ])
  const system = paths.includes('system') ? undefined : guest.system
  const { deadlines } = guest
  const memory = paths.includes('memory') ? undefined : guest.memory
  const smallest = { system, memory, deadlines, drives: Object.fromEntries(drives) }
  return inside(
    ['workload', workload.kind],
    workloadProblems(workload, smallest, `drive of guest ${guestName}`),
  )
}

/** A balloon that waits for a phase which never comes would be left alone without a word until the end. */
function balloonProblems(
  study: ReadableStudy,
  guestName: string,
  guest: Readable<GuestConfig>,
): Problem[] {
  const workload = study.workload as WorkloadConfig | undefined
  const phases = workload && PHASES[workload.kind]
  if (!phases) return []
  const wrong = (phase: unknown): phase is string =>
    typeof phase === 'string' && !phases.includes(phase)
  const varied = settingsOf(study).filter(({ key }) => key === 'balloon.at')
  if (varied.length > 0) {
    return varied.flatMap(({ value, place }) => {
      if (!wrong(value)) return []
      const message = `expected a phase of ${workload.kind}: ${choice(phases)}, got ${shown(value)}`
      return [{ path: place, at: 'value' as const, message }]
    })
  }
  const phase = guest.balloon?.at
  if (!wrong(phase)) return []
  const message = `expected a guest whose balloon waits for a phase of ${workload.kind}: ${choice(phases)}, got ${guestName}, whose balloon waits for ${phase}`
  return [{ path: ['guest'], at: 'value', message }]
}

/** The sizes that the drive takes on in the study; none where a mistake hides them. */
function sizesOf(study: ReadableStudy, drive: string, size: number | undefined): number[] {
  const varied = settingsOf(study).filter(({ key }) => key === `drives.${drive}.size`)
  return (varied.length > 0 ? varied.map(({ value }) => parseBytes(String(value))) : [size]).filter(
    (size) => size !== undefined,
  )
}
