import { fitting } from './counting.ts'
import type { Demand } from './records.ts'

/** What a guest asks of a tier while it boots. */
export interface Boot {
  /**
   * Device-seconds per second that it must have; absent where nobody says so. What a boot is seen to take is no measure of
   * it: one that nothing slows down takes all that there is.
   */
  demand?: number
  /** Device-seconds of the whole boot. */
  work?: number
}

/** How many vms may boot at once while others serve: (C - n mu) / b. */
export function bootsAtOnce(
  capacity: number,
  serving: number,
  { mean }: Pick<Demand, 'mean'>,
  { demand }: Required<Pick<Boot, 'demand'>>,
): number | undefined {
  return fitting(capacity - serving * mean, demand)
}

/** The most vms of which one can still be booted while all others serve. */
export function vmsByBoot(
  capacity: number,
  { mean }: Pick<Demand, 'mean'>,
  boot: Required<Pick<Boot, 'demand'>>,
): number | undefined {
  if (bootsAtOnce(capacity, 0, { mean }, boot) === 0) return 0
  const serving = fitting(Math.max(0, capacity - boot.demand), mean)
  return serving === undefined ? undefined : serving + 1
}

/** Seconds until so many vms have booted that start at the same time: n W / C. */
export function stormSeconds(capacity: number, vms: number, { work }: Boot): number | undefined {
  return work === undefined || capacity <= 0 ? undefined : (vms * work) / capacity
}
