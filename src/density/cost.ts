import { type Mix, type Service, serviceOf } from './capacity.ts'
import type { ClassCapacity } from './records.ts'

/** What a tier is known to serve. */
export interface TierCapacity {
  /** As it has been calibrated; none before. */
  classes: readonly ClassCapacity[]
  /** X_inf of any operation, per second, as the config has it; absent when it does not say. */
  rated?: number
}

/** What vms asked of a tier. */
export interface Operations {
  reads: number
  writes: number
  flushes: number
}

/** A flush ends a write, so both are one operation together; rated alone, one that costs nothing more. */
export function mixOf({ reads, writes, flushes }: Operations): Mix {
  const synced = Math.min(writes, flushes)
  return { 'random-read': reads, 'random-write': writes - synced, 'synced-write': synced }
}

/** The tier as a mix finds it: calibrated where all classes of the mix are, else rated. */
export function tierService({ classes, rated }: TierCapacity, mix: Mix): Service | undefined {
  const found = serviceOf(classes, mix) ?? serviceOf(classes, withoutSync(mix))
  return found ?? (rated === undefined ? undefined : { peak: rated })
}

/** For what is known in device time alone: the class of small operations that leaves the least to its target. */
export function carefulService({ classes, rated }: TierCapacity): Service | undefined {
  const [slowest] = classes
    .filter(({ class: name }) => name.startsWith('random-'))
    .toSorted((one, other) => other.baseLatency - one.baseLatency)
  if (slowest) return { peak: slowest.peak, baseLatency: slowest.baseLatency }
  return rated === undefined ? undefined : { peak: rated }
}

/** With a write in place of each write and flush, where nobody has calibrated these together. */
function withoutSync({ 'synced-write': synced = 0, ...mix }: Mix): Mix {
  return { ...mix, 'random-write': (mix['random-write'] ?? 0) + synced }
}
