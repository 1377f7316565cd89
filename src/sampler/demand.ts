import type { Tier, Vm } from '../attribution/records.ts'

/** Sums from which Prometheus has the mean, the variance and, of a sum over vms, the correlation of one-second samples. */
export interface Moments {
  samples: number
  /** Device-seconds per second, summed over samples. */
  seconds: number
  squaredSeconds: number
}

/**
 * How a demand is known. operations: what the vm asked of qemu, times what an operation costs. device: the time that the
 * device was busy, times the vm's share of its operations.
 */
export type Basis = 'operations' | 'device'

/** What one vm asked of one tier in one second. */
export interface DemandSample {
  vm: string
  tier: string
  basis: Basis
  /** Device-seconds per second. */
  seconds: number
}

export interface Demand {
  tier: string
  basis: Basis
  moments: Moments
}

export function addSample(moments: Moments | undefined, seconds: number): Moments {
  const {
    samples,
    seconds: sum,
    squaredSeconds,
  } = moments ?? { samples: 0, seconds: 0, squaredSeconds: 0 }
  return {
    samples: samples + 1,
    seconds: sum + seconds,
    squaredSeconds: squaredSeconds + seconds ** 2,
  }
}

/**
 * A vm has one basis on a tier. Operations want a cost for each, a drive that qemu can be asked about, and no page cache
 * between what the vm asks and what the device gets.
 */
export function basisOf(vm: Pick<Vm, 'unasked' | 'drives'>, tier: Tier): Basis {
  const here = vm.drives.filter((drive) => drive.tier === tier.name)
  const counted = here.every(({ direct, id }) => direct && id !== '')
  const isAsked = !vm.unasked && operationCosts(tier) !== undefined
  return isAsked && counted ? 'operations' : 'device'
}

/** Device-seconds that one operation costs. */
export interface OperationCosts {
  read: number
  write: number
  /** Beside the write that it flushes. */
  flush: number
}

/** What was measured, or else what the tier is rated at; undefined where nobody knows. */
export function operationCosts(tier: Tier): OperationCosts | undefined {
  const { calibration, ratedTransactionsPerSecond: rated } = tier
  const costOf = (name: string) => {
    const peak = calibration?.classes.find((candidate) => candidate.class === name)?.peak
    return peak === undefined ? undefined : 1 / peak
  }
  const [read, write, synced] = ['random-read', 'random-write', 'synced-write'].map(costOf)
  if (read !== undefined && write !== undefined) {
    return { read, write, flush: Math.max(0, (synced ?? write) - write) }
  }
  return rated === undefined ? undefined : { read: 1 / rated, write: 1 / rated, flush: 0 }
}

/** The demand of vms and of tiers, second after second. */
export class DemandBook {
  readonly #vms = new Map<string, Map<string, Demand>>()
  readonly #tiers = new Map<string, Demand>()

  /** One second's samples. */
  add(second: readonly DemandSample[]): void {
    const sums = new Map<string, Omit<DemandSample, 'vm'>>()
    for (const { vm, tier, basis, seconds } of second) {
      const demands = this.#vms.get(vm) ?? new Map<string, Demand>()
      this.#vms.set(vm, demands)
      const before = demands.get(tier)
      const moments = before?.basis === basis ? before.moments : undefined
      demands.set(tier, { tier, basis, moments: addSample(moments, seconds) })
      const key = `${basis} ${tier}`
      sums.set(key, { tier, basis, seconds: seconds + (sums.get(key)?.seconds ?? 0) })
    }
    for (const [key, { tier, basis, seconds }] of sums) {
      const moments = addSample(this.#tiers.get(key)?.moments, seconds)
      this.#tiers.set(key, { tier, basis, moments })
    }
  }

  /** Keeps what is of these. */
  keep(vms: ReadonlySet<string>, tiers: ReadonlySet<string>): void {
    for (const name of this.#vms.keys()) if (!vms.has(name)) this.#vms.delete(name)
    for (const [key, { tier }] of this.#tiers) if (!tiers.has(tier)) this.#tiers.delete(key)
  }

  forget(vm: string): void {
    this.#vms.delete(vm)
  }

  get vms(): ReadonlyMap<string, readonly Demand[]> {
    return new Map([...this.#vms].map(([vm, demands]) => [vm, [...demands.values()]]))
  }

  get tiers(): readonly Demand[] {
    return [...this.#tiers.values()]
  }
}
