import type { Demand } from './records.ts'

/** A demand, and what it was seen in. */
export interface SeenDemand {
  demand: Demand
  /** How many vms it was seen of at once. */
  vms: number
  seconds: number
}

/**
 * One demand from several, each weighed with its seconds: of what one vm asks in a second, taken from any of them. That
 * one of them asks more than another is in its deviation; a correlation is known from where there were several vms.
 */
export function pooled(seen: readonly SeenDemand[]): Demand | undefined {
  const seconds = sum(seen.map((one) => one.seconds))
  if (seconds === 0) return undefined
  const over = (of: readonly SeenDemand[], value: (demand: Demand) => number) =>
    sum(of.map((one) => one.seconds * value(one.demand))) / sum(of.map((one) => one.seconds))
  const mean = over(seen, (demand) => demand.mean)
  const squares = over(seen, (demand) => demand.sigma ** 2 + demand.mean ** 2)
  const several = seen.filter(({ vms }) => vms > 1)
  return {
    mean,
    sigma: Math.sqrt(Math.max(0, squares - mean ** 2)),
    correlation: several.length === 0 ? 0 : over(several, (demand) => demand.correlation),
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
