import { mulberry32 } from '../../lib/random.ts'
import { shuffled } from '../plan.ts'

// The order in which a repetition of a ramp tries numbers of vms. All orders come to the same number on a tier that does
// not change; that they do is what the repetitions are there to show.

/** rising: 1, 2, 4… and then between; falling: from where it broke before, and down; random: anywhere between. */
export type Order = 'rising' | 'falling' | 'random'

/** The first repetition rises, since nothing is known of the tier; those that follow take turns. */
export function orderOf(repetition: number, seed: number): Order {
  if (repetition === 1) return 'rising'
  const others = shuffled<Order>(['falling', 'random'], seed, 0)
  return others[repetition % others.length]!
}

/** How one step went: whether so many vms all met the target. */
export interface Tried {
  vms: number
  met: boolean
}

export interface Search {
  order: Order
  /** No step has more vms. */
  max: number
  /** The least that broke the target in an earlier repetition; absent in the first one, and where none did. */
  ceiling?: number
  seed: number
}

/** How many vms the next step has; undefined when the density is known. */
export function nextVms(search: Search, tried: readonly Tried[]): number | undefined {
  const { max } = search
  const met = densityOf(tried)
  const missed = leastMissed(tried)
  if (met >= max || (missed !== undefined && missed - met <= 1)) return undefined
  const random = mulberry32(search.seed + tried.length)()
  if (missed !== undefined) return between(search.order, met, missed, random)
  const ceiling = Math.min(max, search.ceiling ?? 0)
  if (search.order !== 'rising' && met < ceiling)
    return search.order === 'falling' ? ceiling : uniform(met + 1, ceiling, random)
  return Math.min(max, Math.max(1, met * 2))
}

/** The most vms that met the target. */
export function densityOf(tried: readonly Tried[]): number {
  return Math.max(0, ...tried.flatMap(({ vms, met }) => (met ? vms : [])))
}

/** The least that did not. */
export function leastMissed(tried: readonly Tried[]): number | undefined {
  const missed = tried.flatMap(({ vms, met }) => (met ? [] : vms))
  return missed.length === 0 ? undefined : Math.min(...missed)
}

function between(order: Order, met: number, missed: number, random: number): number {
  if (order === 'random') return uniform(met + 1, missed - 1, random)
  return Math.floor((met + missed) / 2)
}

/** A whole number from `least` to `most`. */
function uniform(least: number, most: number, random: number): number {
  return least + Math.floor(random * (most - least + 1))
}
