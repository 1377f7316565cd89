import { formatBytes, parseBytes } from '../lib/quantities.ts'
import { factorProblems } from './factors.ts'
import { vmsProblems } from './passthrough-rules.ts'
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

// busybox dd drops O_DIRECT for smaller blocks without a word (seen at 512 and 1536 bytes).
const DIRECT_UNIT = 4096
// mke2fs leaves 92 % of 64 MiB and 98 % of 1 GiB and more; ext2's indirect blocks take another 0.4 %.
const USABLE_SHARE = 0.9

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
          [...factorProblems(path, values, guest), ...tiers(path, values, config)],
        ),
      ),
      ...vmsProblems(study.vms, study.guest!, guest),
      ...workloadProblems(study, study.guest!, guest),
      ...balloonProblems(study, study.guest!, guest),
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

function workloadProblems(
  study: ReadableStudy,
  guestName: string,
  guest: Readable<GuestConfig>,
): Problem[] {
  const workload = study.workload as WorkloadConfig | undefined
  if (workload?.kind !== 'boot-write-shutdown') return []
  const { write, blockSize, direct, to } = workload
  const drives = guest.drives ?? {}
  const names = Object.keys(drives)
  const drive = workload.drive ?? names[0]
  const problem = (key: string, message: string): Problem => ({
    path: ['workload', workload.kind, key],
    at: 'value',
    message,
  })
  if (drive === undefined) return []
  if (!names.includes(drive)) {
    return [problem('drive', unknownName(`drive of guest ${guestName}`, drive, names))]
  }
  const size = Math.min(...sizesOf(study, drive, drives[drive]?.size))
  const room = to === 'filesystem' ? size * USABLE_SHARE : size
  const what = to === 'filesystem' ? `nine tenths of drive ${drive}` : `the size of drive ${drive}`
  const found: Problem[] = []
  if (write > room) {
    const most = formatBytes(room)
    found.push(problem('write', `expected at most ${most} (${what}), got ${formatBytes(write)}`))
  }
  if (blockSize > write) {
    const most = formatBytes(write)
    const message = `expected at most ${most} (what is written), got ${formatBytes(blockSize)}`
    found.push(problem('blockSize', message))
  }
  for (const [key, value] of Object.entries({ write, blockSize })) {
    if (!direct || value % DIRECT_UNIT === 0) continue
    const message = `expected a multiple of 4KiB, as direct writes need, got ${value}B`
    found.push(problem(key, message))
  }
  return found
}

/** The phases of the workloads whose phases are kvmio's own; a script may have any. */
const PHASES: Partial<Record<WorkloadConfig['kind'], readonly string[]>> = {
  'boot-write-shutdown': ['boot', 'prepare', 'write', 'settle', 'shutdown'],
  idle: ['boot', 'idle', 'shutdown'],
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
