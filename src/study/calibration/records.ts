import type { Point } from '../../density/fit.ts'
import type { ClassCapacity, OperationClass } from '../../density/records.ts'

/** What is asked of a calibration. */
export interface CalibrationTask {
  tier: string
  classes: readonly OperationClass[]
  /** Fewer depths and fewer seconds. */
  quick: boolean
  /** Seconds, once the tier is free. */
  timeLimit: number
}

/** What it came to; plain data, for the journal and the control socket. */
export interface CalibrationResult {
  tier: string
  /** fio's version. */
  fio: string
  quick: boolean
  /** What fio worked on. */
  path: string
  bytes: number
  /** The tier's at that time, seconds. */
  targetLatency?: number
  /** What others did on the device under the tier before it began, transactions per second; absent where that is not known. */
  others?: { device: string; transactionsPerSecond: number }
  classes: ClassResult[]
}

export interface ClassResult {
  capacity: ClassCapacity
  points: MeasuredPoint[]
  search?: SearchResult
  /** What is to be known of it, in sentences without a full stop. */
  notes: string[]
}

export interface MeasuredPoint extends Point {
  /** fio's own mean, seconds. */
  latency: number
  p99?: number
  /** Why it is no steady state. */
  unsteady?: string
}

/** What fio's own search for a latency came to. */
export interface SearchResult {
  targetLatency: number
  depth: number
  operationsPerSecond: number
  /** What the line has for that depth. */
  expectedPerSecond: number
}

/** What a calibration tells while it goes on; plain data, since it may cross the control socket. */
export type CalibrationEvent =
  | { type: 'waiting'; tier: string; for: string }
  | { type: 'layout'; tier: string; path: string; bytes: number }
  | ({ type: 'step'; class: OperationClass; depth?: number } & StepProgress)
  | { type: 'point'; class: OperationClass; point: MeasuredPoint }
  | { type: 'class'; result: ClassResult }

export interface StepProgress {
  done: number
  of: number
  /** Seconds until all is done, about. */
  left: number
}
