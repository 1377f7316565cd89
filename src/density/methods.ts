import { fitting, largest } from './counting.ts'
import type { Demand } from './records.ts'

// Vms by I/O alone. Capacities and demands are device-seconds per second, so that 1 is a tier that is never idle.

/** As the paper has it: the tier's peak over what one vm asks on average. The tier is then busy all of the time. */
export function vmsByPaper({ mean }: Demand): number | undefined {
  return fitting(1, mean)
}

/** The mean, up to a cap. */
export function vmsByCap({ mean }: Demand, utilisationCap: number): number | undefined {
  return fitting(utilisationCap, mean)
}

/** The largest n whose mean, and z standard deviations of their sum above it, the capacity holds. */
export function vmsBySigma(demand: Demand, capacity: number, zScore: number): number | undefined {
  return largest(capacity, (vms) => sigmaLoad(demand, vms, zScore))
}

/** n mu + z sigma sqrt(n (1 + (n - 1) rho)): what vms ask together, but for a small part of the seconds. */
export function sigmaLoad(
  { mean, sigma, correlation }: Demand,
  vms: number,
  zScore: number,
): number {
  const rho = Math.min(1, Math.max(0, correlation))
  return vms * mean + zScore * sigma * Math.sqrt(vms * (1 + Math.max(0, vms - 1) * rho))
}
