import { parseBytes } from '../lib/quantities.ts'
import { factorProblems } from './factors.ts'
import { placementProblem } from './placement.ts'
import { choice, inside, type Problem, shown, unknownName } from './problems.ts'
import type { Readable, ReadableConfig } from './readable.ts'
import type { ConfigFile, GuestConfig, WorkloadConfig } from './schema.ts'
import {
  type FactorValues,
  factorsOf,
  longPaths,
  nameProblems,
  type ReadableStudy,
  type Studies,
  sameNames,
} from './vm-names.ts'
import { workloadProblems } from './workload-rules.ts'

/** What is wrong with a config's studies; the state directory's path is absolute. */
export function studyProblems(config: ReadableConfig, state: string | undefined): Problem[] {
  const studies = readableStudies(config.studies)
  return [
    ...studies.flatMap((named) => one(named, config)),
    ...sameNames(studies),
    ...(state === undefined ? [] : longPaths(studies, state, { path: ['state'], at: 'value' })),
  ]
}

/** What is wrong with the studies of a suite file beside a config that is right. */
export function suiteProblems(
  suite: Record<string, ReadableStudy | undefined>,
  config: ConfigFile,
): Problem[] {
  const studies = readableStudies(suite)
  const others = readableStudies(config.studies).filter(({ name }) => !Object.hasOwn(suite, name))
  return [
    ...studies.flatMap((named) => one(named, config)),
    ...studies.flatMap(({ name }) => (Object.hasOwn(config.studies, name) ? [taken(name)] : [])),
    ...sameNames([...others, ...studies]),
    ...longPaths(studies, config.state, { path: ['studies'], at: 'key' }),
  ]
}

function readableStudies(studies: ReadableConfig['studies']): Studies {
  return Object.entries(studies ?? {}).flatMap(([name, study]) => (study ? [{ name, study }] : []))
}

function taken(name: string): Problem {
  const message =
    'expected a name that the config file does not use for a study, got one that it does'
  return { path: ['studies', name], at: 'key', message }
}

function one({ name, study }: Studies[number], config: ReadableConfig): Problem[] {
  const guests = config.guests ?? {}
  const problems: Problem[] = []
  if (study.guest !== undefined && !Object.hasOwn(guests, study.guest)) {
    const message = unknownName('guest', study.guest, Object.keys(guests))
    problems.push({ path: ['guest'], at: 'value', message })
  }
  const guest = study.guest === undefined ? undefined : guests[study.guest]
  if (guest) {
    problems.push(
      ...factorsOf(study).flatMap(([path, values]) =>
        inside(
          ['factors'],
          [...factorProblems(path, values, guest, study), ...tiers(path, values, config)],
        ),
      ),
      ...ofWorkload(study, study.guest!, guest),
      ...balloonProblems(study, study.guest!, guest),
      ...placementProblems(study, guest, config),
    )
  }
  return inside(['studies', name], [...problems, ...nameProblems(name, study)])
}

/** A tier is the one key of a guest whose values have to exist elsewhere. */
function tiers(path: string, values: FactorValues, config: ReadableConfig): Problem[] {
  if (!/^drives\.[^.]+\.tier$/.test(path)) return []
  const known = Object.keys(config.tiers ?? {})
  return values.flatMap((value, index) =>
    typeof value !== 'string' || known.includes(value)
      ? []
      : [{ path: [path, index], at: 'value', message: unknownName('tier', value, known) }],
  )
}

/** What would be true of each case; where tiers or formats vary, the planner skips the cases that it is true of. */
function placementProblems(
  study: ReadableStudy,
  guest: Readable<GuestConfig>,
  config: ReadableConfig,
): Problem[] {
  const varied = factorsOf(study).some(([path]) =>
    /^(vms|drives\.[^.]+\.(tier|format))$/.test(path),
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
  const paths = Object.keys(study.factors ?? {})
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

const INSTALL_PHASES = ['partition', 'mkfs', 'unpack', 'configure', 'bootloader']
/** The phases of the workloads whose phases are kvmio's own; a script may have any. */
const PHASES: Partial<Record<WorkloadConfig['kind'], readonly string[]>> = {
  install: ['boot', ...INSTALL_PHASES, 'install', 'shutdown'],
  'boot-write-shutdown': ['boot', 'prepare', 'write', 'settle', 'shutdown'],
  idle: ['boot', 'idle', 'shutdown'],
  fio: ['boot', 'prepare', 'fio', 'shutdown'],
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
  const varied = study.factors?.['balloon.at']
  if (varied) {
    return varied.flatMap((phase, index) => {
      if (!wrong(phase)) return []
      const message = `expected a phase of ${workload.kind}: ${choice(phases)}, got ${shown(phase)}`
      return [{ path: ['factors', 'balloon.at', index], at: 'value' as const, message }]
    })
  }
  const phase = guest.balloon?.at
  if (!wrong(phase)) return []
  const message = `expected a guest whose balloon waits for a phase of ${workload.kind}: ${choice(phases)}, got ${guestName}, whose balloon waits for ${phase}`
  return [{ path: ['guest'], at: 'value', message }]
}

/** The sizes that the drive takes on in the study; none where a mistake hides them. */
function sizesOf(study: ReadableStudy, drive: string, size: number | undefined): number[] {
  const varied = study.factors?.[`drives.${drive}.size`]
  return (varied ? varied.map((value) => parseBytes(String(value))) : [size]).filter(
    (size) => size !== undefined,
  )
}
