import type { StudyConfig, TierConfig } from '../config/schema.ts'
import { blockOrder, type CasePlan } from './plan.ts'

// The rule for what has never run, in seconds and bytes per second. Measured under TCG on two cores; it tells minutes from
// hours, and a journal with runs of the case is better.
const BOOT = { appliance: 5, other: 30 }
const AROUND = 8
const WRITE_BYTES_PER_SECOND = 60 * 2 ** 20
const INSTALL = { minimal: 60, minbase: 420, debian: 540 }
const LARGEST_REQUEST = 512 * 1024

/** The rule in words, for who reads the figure. */
export const RULE =
  'boot 5 s (appliance) or 30 s, writes at 60 MiB/s or as the tier emulates, an installation 1 to 9 min'

/** How long a run of a case takes, seconds, and what that is known from. */
export interface ExpectedTime {
  seconds: number
  from: 'past runs' | 'other cases' | 'rule'
}

/**
 * By case: the mean of its own past runs; without any, that of the study's other cases; without these, by the rule. Cases
 * that are skipped have none.
 */
export function expectedTimes(
  cases: readonly CasePlan[],
  past: readonly { case: string; seconds: number }[],
  tiers: Readonly<Record<string, TierConfig>>,
): Map<string, ExpectedTime> {
  const byCase = Map.groupBy(past, (run) => run.case)
  const all = mean(past)
  const running = cases.filter(({ skip }) => skip === undefined)
  return new Map(
    running.map((point): [string, ExpectedTime] => {
      const own = mean(byCase.get(point.name) ?? [])
      if (own !== undefined) return [point.name, { seconds: own, from: 'past runs' }]
      if (all !== undefined) return [point.name, { seconds: all, from: 'other cases' }]
      return [point.name, { seconds: byRule(point, tiers), from: 'rule' }]
    }),
  )
}

/** One block with its rests, seconds. */
export function blockSeconds(
  { reference, pause }: Pick<StudyConfig, 'reference' | 'pause'>,
  times: ReadonlyMap<string, ExpectedTime>,
): number {
  const cases = [...times].map(([name, { seconds }]) => ({ name, seconds }))
  const order = blockOrder(cases, reference?.case, 0, 1)
  const runs = order.reduce((sum, { seconds }) => sum + seconds, 0)
  return runs + order.length * pause // the rest before the next block is one of them
}

function mean(runs: readonly { seconds: number }[]): number | undefined {
  if (runs.length === 0) return undefined
  return runs.reduce((sum, { seconds }) => sum + seconds, 0) / runs.length
}

function byRule(point: CasePlan, tiers: Readonly<Record<string, TierConfig>>): number {
  const { guest, study } = point
  const boot = guest.system === 'appliance' ? BOOT.appliance : BOOT.other
  return boot + AROUND + study.stagger * (study.vms - 1) + workSeconds(point, tiers)
}

function workSeconds(
  { guest, study }: CasePlan,
  tiers: Readonly<Record<string, TierConfig>>,
): number {
  const { workload, vms } = study
  switch (workload.kind) {
    case 'idle':
      return workload.time
    case 'install':
      return installSeconds(workload.packages) * vms
    case 'boot-write-shutdown': {
      const drive = guest.drives[workload.drive ?? Object.keys(guest.drives)[0]!]
      const tier = drive?.tier === undefined ? undefined : tiers[drive.tier]
      const request = workload.direct
        ? Math.min(workload.blockSize, LARGEST_REQUEST)
        : LARGEST_REQUEST
      return (workload.write * vms) / speedOf(tier, request) + workload.settle
    }
    default:
      return workload.timeout / 4 // nobody knows; it is to end well before its limit
  }
}

function installSeconds(packages: unknown): number {
  return typeof packages === 'string' && packages in INSTALL
    ? INSTALL[packages as keyof typeof INSTALL]
    : INSTALL.debian
}

/** Bytes per second of a tier, as far as the config says. */
function speedOf(tier: TierConfig | undefined, requestBytes: number): number {
  const { serviceTime, bytesPerSecond, parallel = 1 } = tier?.emulate ?? {}
  return Math.min(
    WRITE_BYTES_PER_SECOND,
    bytesPerSecond ?? Number.POSITIVE_INFINITY,
    serviceTime === undefined ? Number.POSITIVE_INFINITY : (requestBytes / serviceTime) * parallel,
  )
}
