import type { Backend } from '../../attribution/records.ts'
import type { DriveConfig } from '../../config/drive-schema.ts'
import { expandMatrix } from '../../config/matrix.ts'
import type { StudyConfig } from '../../config/schema.ts'
import type { VmPlan } from '../../guest/plan.ts'
import type { RunRecord, StudyRecord } from '../../journal/read-study.ts'
import type { TierFacts } from '../../storage/tier-facts.ts'
import type { CaseFacts, RunResult, StudyResults, Traits } from './record.ts'
import { runResult } from './run-result.ts'

// What the journal kept as JSON was written by this program: its shapes are those of the types that wrote it.

/** What a study says that a report must know; what an older one did not have is absent. */
type StudyWords = Pick<StudyConfig, 'hostCache'> &
  Partial<Pick<StudyConfig, 'factors' | 'include' | 'exclude' | 'reference' | 'measure' | 'scale'>>

const NEVER_RAN = 'it never ran: it has not had its turn'

/** What a report is made from. Runs that go on are left out. */
export function studyResults(record: StudyRecord): StudyResults {
  const { study } = record.config as { study: StudyWords }
  const ended = record.blocks.flatMap((block) =>
    block.runs.flatMap((run) => (run.outcome === undefined ? [] : [{ block, run }])),
  )
  const names = caseNames(ended.map(({ run }) => run))
  const points = expandMatrix(study)
  const placeOf = (run: RunRecord) => {
    const place = points.findIndex(({ name }) => name === run.case)
    return place === -1 ? points.length : place
  }
  const firsts = [...Map.groupBy(ended, ({ run }) => names(run))].map(([name, runs]) => {
    const [{ run }] = runs as [(typeof ended)[number]]
    return { name, run, place: placeOf(run) }
  })
  const { measure, scale, reference } = study
  return {
    name: record.name,
    seed: record.seed,
    ...(reference && { reference: reference.case }),
    ...(measure !== undefined && { measure }),
    ...(scale !== undefined && { scale }),
    cases: firsts
      .sort((a, b) => a.place - b.place)
      .map(({ name, run, place }) => {
        const hostCache = points[place]?.settings.hostCache ?? study.hostCache
        return caseFacts(name, run, String(hostCache))
      }),
    skipped: points
      .filter(({ name }) => !ended.some(({ run }) => run.case === name))
      .map(({ name }) => ({
        case: name,
        reason: record.skipped?.find((skipped) => skipped.case === name)?.reason ?? NEVER_RAN,
      })),
    runs: ended
      .map(({ block, run }): RunResult => runResult(names(run), block, run))
      .sort((a, b) => a.startedAt - b.startedAt || a.id - b.id),
  }
}

/** A case whose runs had two accelerators is two: no figure mixes them. */
function caseNames(runs: readonly RunRecord[]): (run: RunRecord) => string {
  const accelerators = new Map<string, Set<string>>()
  for (const run of runs) {
    const seen = accelerators.get(run.case) ?? new Set()
    accelerators.set(run.case, seen.add(acceleratorOf(run)))
  }
  return (run) =>
    accelerators.get(run.case)!.size > 1 ? `${run.case} (${acceleratorOf(run)})` : run.case
}

function caseFacts(name: string, run: RunRecord, hostCache: string): CaseFacts {
  const [drive] = drivesOf(run)
  const tier = drive ? tiersOf(run)[drive.tier] : undefined
  const notDurable = notDurableBecause(run)
  return {
    name,
    factors: Object.fromEntries(
      Object.entries(run.factors).map(([factor, value]) => [shortName(factor), String(value)]),
    ),
    traits: traitsOf(drive, tier, hostCache),
    tier: drive?.tier ?? 'none',
    accelerator: acceleratorOf(run),
    ...(notDurable !== undefined && { notDurable }),
  }
}

type DrivePlan = Pick<DriveConfig, 'bus' | 'format' | 'preallocation' | 'cache'> & {
  name: string
  tier: string
  backend: Backend
}

function traitsOf(
  drive: DrivePlan | undefined,
  tier: TierFacts | undefined,
  hostCache: string,
): Traits {
  const mount = tier?.config.filesystem?.mount ?? []
  return {
    bus: drive?.bus ?? 'none',
    format: drive?.format ?? 'none',
    preallocation: drive?.preallocation ?? 'off',
    cache: drive?.cache ?? 'none',
    ...(tier?.filesystem !== undefined && { filesystem: tier.filesystem }),
    ...(mount.length > 0 && { mountOptions: mount.join(',') }),
    volume: drive?.backend.kind === 'device',
    hostCache,
  }
}

const VOLATILE = ['tmpfs', 'ramfs']
const NO_BARRIERS = ['nobarrier', 'barrier=0']

/** Why what the guest has flushed may be lost with the host's power; undefined where it may not. */
function notDurableBecause(run: RunRecord): string | undefined {
  const tiers = tiersOf(run)
  for (const { name, cache, tier } of drivesOf(run)) {
    if (cache === 'unsafe') return `drive ${name} has cache unsafe, which swallows flushes`
    const { filesystem = '', mountOptions = [] } = tiers[tier] ?? {}
    if (VOLATILE.includes(filesystem)) return `tier ${tier} is in memory (${filesystem})`
    const option = mountOptions.find((each) => NO_BARRIERS.includes(each))
    if (option !== undefined) return `tier ${tier} is mounted with ${option}`
  }
  return undefined
}

function drivesOf({ vms }: RunRecord): DrivePlan[] {
  return (vms[0]?.plan as Partial<VmPlan> | undefined)?.drives ?? []
}

function acceleratorOf({ vms }: RunRecord): string {
  return (vms[0]?.plan as Partial<VmPlan> | undefined)?.accelerator ?? 'unknown'
}

function tiersOf({ manifest }: RunRecord): Record<string, TierFacts> {
  return (manifest as { tiers?: Record<string, TierFacts> } | undefined)?.tiers ?? {}
}

/** `drives.root.bus` is `bus` to a reader; what would be ambiguous stays whole by its other part. */
function shortName(factor: string): string {
  return /^drives\.[^.]+\.(\w+)$/.exec(factor)?.[1] ?? factor
}
