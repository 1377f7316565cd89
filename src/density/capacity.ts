import { capacityAt } from './fit.ts'
import type { ClassCapacity, OperationClass } from './records.ts'

/** How many operations of each class, of one vm in one second as a rule; only what they are to each other counts. */
export type Mix = Readonly<Partial<Record<OperationClass, number>>>

/** What a tier serves of one mix of operations. Rated, its latency is not known. */
export interface Service {
  /** X_inf, operations per second. */
  peak: number
  /** R0, seconds. */
  baseLatency?: number
}

/**
 * The tier as a mix of operations finds it: the mean of what they cost and of how long they take. Undefined where a class
 * of the mix is not known.
 */
export function serviceOf(classes: readonly ClassCapacity[], mix: Mix): Service | undefined {
  let operations = 0
  let cost = 0
  let latency = 0
  for (const [name, count] of Object.entries(mix)) {
    if (count === 0) continue
    const found = classes.find((candidate) => candidate.class === name)
    if (!found) return undefined
    operations += count
    cost += count / found.peak
    latency += count * found.baseLatency
  }
  if (operations === 0) return undefined
  return { peak: operations / cost, baseLatency: latency / operations }
}

/**
 * How much of its peak a tier may be filled to, 0 to 1: C(R*) = X_inf (1 - R0/R*) as a share of X_inf. Where the latency
 * is not known, or no target is given, the cap stands in for it.
 */
export function usableShare(
  service: Service | undefined,
  targetLatency: number | undefined,
  utilisationCap: number,
): number {
  const baseLatency = service?.baseLatency
  if (baseLatency === undefined || targetLatency === undefined) return utilisationCap
  return capacityAt({ baseLatency, peak: 1 }, targetLatency)
}
