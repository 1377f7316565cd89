import type { Demand } from '../../density/records.ts'
import type { RampVerdict } from '../../journal/ramps.ts'
import type { RampBound } from './host.ts'
import type { OperationSums } from './recorder.ts'
import type { Order } from './search.ts'
import type { StepFigures } from './step.ts'

// What a ramp tells and comes to; plain data, since it may cross the control socket.

/** What was learnt of the guest from a few vms, before anything was predicted. */
export interface Learned {
  /** From how many; 0 where there was no room for one. */
  vms: number
  /** Seconds that they were watched for. */
  seconds: number
  /** Of one vm; absent where it is not known what an operation costs, and no cgroup tells. */
  demand?: Demand
  /** Of one vm. */
  transactionsPerSecond?: number
  /** Of all of them. */
  operations?: OperationSums
  /** Bytes of the host's memory that one vm takes. */
  memory?: number
}

/** How many vms fit, by a method other than trying. */
export interface PredictedDensity {
  method: string
  vms?: number
  bound?: string
}

export interface RampPrediction {
  learned: Learned
  densities: readonly PredictedDensity[]
}

export interface RampStepSummary {
  /** From 1, void ones counted. */
  seq: number
  repetition: number
  vms: number
  verdict: RampVerdict
  figures: StepFigures
}

/** What one climb came to. */
export interface Repetition {
  order: Order
  vms: number
  bound: RampBound
}

export interface RampSummary extends RampPrediction {
  /** In the journal; absent of one that ended before anything was predicted. */
  ramp?: number
  tier: string
  guest: string
  workload: string
  /** Seconds. */
  target: number
  seed: number
  steps: RampStepSummary[]
  repetitions: Repetition[]
  /** Vms that met the target in each repetition; absent when it did not end well. */
  measured?: number
  bound?: RampBound
  /** Why it did not end well, or before its last repetition. */
  reason?: string
}

export type RampEvent =
  | { type: 'waiting'; for: string }
  | { type: 'learning'; vms: number }
  | ({ type: 'predicted' } & RampPrediction)
  | { type: 'step-started'; repetition: number; of: number; order: Order; vms: number }
  | ({ type: 'step-ended' } & RampStepSummary)
