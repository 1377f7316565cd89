import { type Boot, bootsAtOnce, stormSeconds, vmsByBoot } from './boot.ts'
import { type Service, usableShare } from './capacity.ts'
import { fitting } from './counting.ts'
import { vmsByCap, vmsByPaper, vmsBySigma } from './methods.ts'
import { type Constraint, type Demand, METHODS, type Method } from './records.ts'

/** What the config says of density. */
export interface DensitySettings {
  /** Standard deviations that the method sigma keeps free above the mean. */
  zScore: number
  /** Share of its peak that a tier is filled to, where no latency says more. */
  utilisationCap: number
  /** Share of its processors that the host is filled to. */
  cpuCap: number
  /** Bytes that stay with the host. */
  memoryReserve: number
}

/** Something that vms take their parts of: memory in bytes, space in bytes, processors in seconds per second. */
export interface Room {
  /** For vms of this kind, those that run counted in. */
  room: number
  /** What one of them takes. */
  each: number
}

/** What is known of a tier, a guest and a host. What is not known is absent and binds nothing. */
export interface Question {
  demand?: Demand
  service?: Service
  /** Seconds. */
  targetLatency?: number
  boot?: Boot
  memory?: Room
  space?: Room
  cpu?: Room
  /** What a ramp has come to, for the same target. */
  measured?: { vms: number; bound?: Constraint }
  /** Vms that are on the tier now. */
  running: number
  settings: DensitySettings
}

/** A density by one method; without vms where it is not known, or nothing bounds it. */
export interface Density {
  method: Method
  vms?: number
  bound?: Constraint
  /** Vms beyond those that run; below 0 where too many do. */
  headroom?: number
}

/** How many vms one constraint alone would let be. */
export interface Limit {
  constraint: Constraint
  vms: number
}

export interface Prediction {
  /** One for each method, in their order. */
  densities: readonly Density[]
  /** Those that are known, the method sigma's for I/O. */
  limits: readonly Limit[]
  /** Device-seconds per second that the method sigma fills the tier to. */
  capacity: number
  /** At the density of the method sigma; absent where it is not known what a boot costs. */
  boot?: {
    /** Vms that may boot at once while the others serve. */
    atOnce?: number
    /** Seconds until all have booted that are started together. */
    stormSeconds?: number
  }
}

/**
 * How many vms fit, by each method. The methods capped and sigma are bound by the least of all constraints; paper looks at
 * the mean of I/O alone, as the paper does, and is there to be compared with.
 */
export function predict(question: Question): Prediction {
  const { demand, service, targetLatency, settings, running } = question
  const capacity = usableShare(service, targetLatency, settings.utilisationCap)
  const others = otherLimits(question, capacity)
  const sigma = demand && vmsBySigma(demand, capacity, settings.zScore)
  const densities = METHODS.map((method): Density => {
    const found = densityBy(method, question, sigma, others)
    return { ...found, ...(found.vms === undefined ? {} : { headroom: found.vms - running }) }
  })
  const chosen = densities.find(({ method }) => method === 'sigma')?.vms
  return {
    densities,
    limits: [...limit('io', sigma), ...others],
    capacity,
    ...bootOf(question, capacity, chosen),
  }
}

function densityBy(
  method: Method,
  { demand, measured, settings }: Question,
  sigma: number | undefined,
  others: readonly Limit[],
): Density {
  if (method === 'measured') return { method, ...measured }
  if (!demand) return { method }
  if (method === 'paper') return { method, ...least(limit('io', vmsByPaper(demand))) }
  const io = method === 'sigma' ? sigma : vmsByCap(demand, settings.utilisationCap)
  return { method, ...least([...limit('io', io), ...others]) }
}

/** Those beside I/O. */
function otherLimits(
  { demand, boot, memory, space, cpu }: Question,
  capacity: number,
): readonly Limit[] {
  return [
    ...limit('boot', bootLimit(demand, boot, capacity)),
    ...limit('memory', memory && fitting(memory.room, memory.each)),
    ...limit('space', space && fitting(space.room, space.each)),
    ...limit('cpu', cpu && fitting(cpu.room, cpu.each)),
  ]
}

function bootLimit(
  demand: Demand | undefined,
  boot: Boot | undefined,
  capacity: number,
): number | undefined {
  if (!demand || boot?.demand === undefined) return undefined
  return vmsByBoot(capacity, demand, { demand: boot.demand })
}

function limit(constraint: Constraint, vms: number | undefined): Limit[] {
  return vms === undefined ? [] : [{ constraint, vms }]
}

/** The first of those that let the fewest be. */
function least(limits: readonly Limit[]): { vms?: number; bound?: Constraint } {
  const [first, ...rest] = limits
  if (!first) return {}
  const { vms, constraint } = rest.reduce((low, next) => (next.vms < low.vms ? next : low), first)
  return { vms, bound: constraint }
}

function bootOf(
  { demand, boot }: Question,
  capacity: number,
  vms: number | undefined,
): Pick<Prediction, 'boot'> {
  if (!boot || !demand || vms === undefined) return {}
  const serving = Math.max(0, vms - 1)
  const atOnce =
    boot.demand === undefined
      ? undefined
      : bootsAtOnce(capacity, serving, demand, { demand: boot.demand })
  const seconds = stormSeconds(capacity, vms, boot)
  return {
    boot: {
      ...(atOnce !== undefined && { atOnce }),
      ...(seconds !== undefined && { stormSeconds: seconds }),
    },
  }
}
