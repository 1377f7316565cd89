import type { DriveStats } from '../source/blockstats.ts'
import type { DemandSample } from './demand.ts'

/** One second as the sampler saw it, transactions per second by name. */
export interface Second {
  /** How long it was, seconds. */
  seconds: number
  devices: ReadonlyMap<string, number>
  vms: ReadonlyMap<string, number>
  /** By vm, what its qemu has counted until now; of one that did not answer there is nothing. */
  drives: ReadonlyMap<string, readonly DriveStats[]>
  /** What each vm asked of each tier. */
  demand: readonly DemandSample[]
  /** The share of the processors' time that a hypervisor under this host gave to others, 0 to 1. */
  stolen?: number
  /** The share in which they were not idle, 0 to 1. */
  busy?: number
  /** What was read at its end. */
  totals: Totals
}

/** Counters as a second found them, by name: what was not read is absent. */
export interface Totals {
  /** Reads, writes and discards. */
  devices: ReadonlyMap<string, Total>
  /** Of vms, what they asked of qemu: reads, writes and flushes. */
  vms: ReadonlyMap<string, Total>
  /** Of vms, what their cgroups counted on all devices: reads and writes. */
  cgroups: ReadonlyMap<string, Total>
}

/** How many transactions there have been, and how long they took. */
export interface Total {
  transactions: number
  /** Summed over transactions; absent where nobody takes the time. */
  seconds?: number
}

/** A second while it is being read. */
export interface Draft {
  devices: Map<string, number>
  vms: Map<string, number>
  drives: Map<string, readonly DriveStats[]>
  demand: DemandSample[]
  totals: Record<keyof Totals, Map<string, Total>>
}

export function emptyDraft(): Draft {
  return {
    devices: new Map(),
    vms: new Map(),
    drives: new Map(),
    demand: [],
    totals: { devices: new Map(), vms: new Map(), cgroups: new Map() },
  }
}

/** A count of transactions, and when it was read: one that is missed makes the next second longer. */
export interface Reading extends Total {
  /** Milliseconds of a monotonic clock. */
  at: number
}

/** Per second; undefined after the first reading, and after one that fell: the counters have begun again. */
export function rateBetween(before: Reading | undefined, now: Reading): number | undefined {
  if (!before || now.at <= before.at || now.transactions < before.transactions) return undefined
  return ((now.transactions - before.transactions) * 1000) / (now.at - before.at)
}
