/** A class of operations whose cost is known apart. */
export type OperationClass =
  | 'random-read'
  | 'random-write'
  | 'sequential-read'
  | 'sequential-write'
  /** A write and a flush of what was written, one operation together. */
  | 'synced-write'

/** What a tier serves of one class: R(Q) = R0 + Q / X_inf. */
export interface ClassCapacity {
  class: OperationClass
  /** R0, seconds. */
  baseLatency: number
  /** X_inf, operations per second. */
  peak: number
  /** The largest distance of a measured point from the line, as a share of the point. */
  residual: number
  /** Of sequential classes: what the peak moves, bytes per second. */
  bytesPerSecond?: number
}

/** Device-seconds that one vm asks of a tier in one second, over one-second samples. */
export interface Demand {
  mean: number
  sigma: number
  /** The mean correlation of two vms, 0 to 1. */
  correlation: number
}

/** Where a demand comes from: the config, the journal's ramps and runs, or the vms that run now. */
export type DemandSource = 'stated' | 'journal' | 'live'

export const METHODS = ['paper', 'capped', 'sigma', 'measured'] as const
/** How a density is come by. */
export type Method = (typeof METHODS)[number]

export const CONSTRAINTS = ['io', 'boot', 'memory', 'space', 'cpu'] as const
/** What a density may be bound by. */
export type Constraint = (typeof CONSTRAINTS)[number]
