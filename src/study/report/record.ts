// What a report is made from: plain data, which the JSON export carries and a second host's report reads again.

/** A study as it was run on one host. */
export interface StudyResults {
  name: string
  seed: number
  /** The case that the others are held against; the first one when absent. */
  reference?: string
  /** What its cases are compared by, where it says so: a phase, or tps. */
  measure?: string
  /** What is smaller than in the study that it repeats, as a sentence; absent at full size. */
  scale?: string
  /** In the plan's order. */
  cases: CaseFacts[]
  skipped: { case: string; reason: string }[]
  /** In the order in which they were started. */
  runs: RunResult[]
}

/** What one case is, as its vms were made. */
export interface CaseFacts {
  name: string
  factors: Record<string, string>
  /** What a drive is made of, whether it is a factor of the study or not; those of the first drive. */
  traits: Traits
  /** Of its first drive. */
  tier: string
  accelerator: string
  /** Why what a guest has flushed may be lost; absent when it may not. */
  notDurable?: string
}

/** What the paper varies. */
export interface Traits {
  bus: string
  format: string
  preallocation: string
  cache: string
  /** Under the image; absent where a drive has no file. */
  filesystem?: string
  /** How that is mounted, where the study says it: sync. */
  mountOptions?: string
  volume: boolean
  hostCache: string
}

export const RUN_OUTCOMES = ['passed', 'failed', 'abandoned', 'void'] as const
export type RunOutcome = (typeof RUN_OUTCOMES)[number]

export interface RunResult {
  id: number
  case: string
  block: number
  outcome: RunOutcome
  /** Why it did not pass. */
  reason?: string
  /** What to know of a run that counts all the same: the processor was busy. */
  remarks: string[]
  /** Unix seconds. */
  startedAt: number
  /** From the start to the device at rest. */
  seconds: number
  vms: number
  /** In order; the slowest vm. */
  phases: { name: string; seconds: number }[]
  layers: Partial<Record<Layer, LayerCounts>>
  /** What fio reported, reads and writes, all vms together; absent for other workloads. */
  fioOperationsPerSecond?: number
  /** Of each second: transactions per second, and where in the run it was. */
  samples: Sample[]
  manifest: Readonly<Record<string, unknown>>
}

/** From the guest down to the device: a process counts its system calls, a cgroup what it gave to devices. */
export const LAYERS = ['guest', 'qemu', 'process', 'cgroup', 'device'] as const
export type Layer = (typeof LAYERS)[number]

/** What a layer counted over a run, all vms together; what a layer does not count is absent. */
export interface LayerCounts {
  reads?: number
  writes?: number
  flushes?: number
  readBytes?: number
  writtenBytes?: number
}

export interface Sample {
  /** Since the run's start, seconds. */
  second: number
  /** The devices under the tiers together. */
  device?: number
  /** All vms together. */
  vms?: number
  /** The phase of the first vm. */
  phase?: string
}
