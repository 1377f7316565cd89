/** All that the live page shows and /api/v1 gives; times are Unix seconds, durations seconds. What is not known is absent. */
export interface LiveState {
  version: string
  at: number
  /** Why kvmio is not ready yet. */
  notReady?: string
  tiers: TierState[]
  vms: VmState[]
  studies: StudyState[]
  /** The last ones that ended, the newest first. */
  runs: RunState[]
  health: HealthState
}

export interface TierState {
  name: string
  kind: string
  filesystem?: string
  /** Where it is: a directory, a volume group, a URL. */
  place?: string
  device?: string
  /** Not in the config, but under a vm that was found. */
  found: boolean
  /** Why no vm can be put on it. */
  unavailable?: string
  /** How many vms have a drive on it. */
  vms: number
  /** Of its device. */
  flow: Flow
  history: History
  /** Transactions per second that it serves: as rated, else what random writes were calibrated to at the target. */
  capacity?: number
  capacitySource?: 'rated' | 'calibrated'
  /** What fio has measured of it. */
  calibration?: CalibrationState
  targetLatency?: number
  room?: Room
  space?: { sizeBytes: number; freeBytes: number; availableBytes: number }
}

export interface CalibrationState {
  endedAt: number
  /** Operations per second of each class: at the target latency, where there is one, and at the most. */
  classes: { class: string; capacity?: number; peak: number }[]
}

/** How many vms fit on a tier. */
export interface Room {
  /** Of the kind that runs there now. */
  vms?: number
  /** These less those that run. */
  headroom?: number
  /** What binds first: io, boot, memory, space, cpu. */
  bound?: string
  /** How that was come by: paper, capped, sigma, measured. */
  method: string
}

/** What went by at one place. */
export interface Flow {
  /** Transactions per second in the last second. */
  now?: number
  /** The same in the mean of the last ten seconds. */
  mean?: number
  /** How long a transaction took in the mean of these ten seconds; absent when none ended. */
  latency?: number
}

/** Transactions per second, second by second, the last one last; null where nothing was read. */
export type History = (number | null)[]

export interface VmState {
  name: string
  manager: string
  study?: string
  case?: string
  accelerator: string
  memoryBytes?: number
  phase?: { name: string; startTime: number }
  drives: DriveState[]
  /** What it asked of qemu. */
  flow: Flow
  history: History
  /** From the guest down to the devices of its tiers. */
  layers: LayerState[]
}

export interface DriveState {
  name: string
  /** Empty for a controller that the guest has for itself. */
  tier: string
  /** Its address, of such a one. */
  pci?: string
  bus: string
  format: string
  cache: string
}

export interface LayerState {
  layer: 'guest' | 'qemu' | 'process' | 'device'
  /** Of a device, which all vms on it share. */
  device?: string
  flow: Flow
  /** Since the vm began; a device's have no such beginning. */
  transactions?: number
}

export interface StudyState {
  name: string
  run?: { id: number; case: string; block: number; startedAt?: number }
  /** Why it waits: a person's request, too little space. */
  paused?: 'request' | 'space'
  /** What it waits for: a tier that another study has. */
  waiting?: string
  /** Runs done, and all that are asked for; of an endless study those of its block. */
  done?: number
  of?: number
  /** All that are asked for; absent without an end. */
  planned?: number
  /** Until all have run, as far as the past tells. */
  left?: number
}

export interface RunState {
  id: number
  study: string
  case: string
  block: number
  outcome: string
  reason?: string
  startedAt: number
  endedAt: number
  vms: number
  /** By phase, the slowest vm's. */
  phases: Record<string, number>
}

export interface HealthState {
  collectors: CollectorState[]
  /** What was asked and has not answered: a mount whose server is gone, a disk that hangs. */
  hanging: readonly string[]
  config: { file: string; reloaded: boolean; reloadedAt: number }
  /** When the counters were last read. */
  secondAt?: number
}

export interface CollectorState {
  name: string
  /** Of the last scrape, whoever asked for it; absent before the first. */
  success?: boolean
  seconds?: number
  at?: number
  /** The last that went wrong. */
  error?: { message: string; at: number }
}
