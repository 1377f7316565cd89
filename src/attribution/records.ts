import type { Qmp } from '../source/qmp.ts'

/** A named class of storage, as it stands on this host now. */
export interface Tier {
  name: string
  /** Not in the config: a vm that kvmio did not start has a drive there. It goes with the last of them. */
  found?: true
  kind: 'directory' | 'filesystem' | 'volumeGroup' | 'device' | 'url'
  /** Where images go; absent while the tier is unavailable, and where a drive has no image file. */
  directory?: string
  /** Where drives have logical volumes. */
  volumeGroup?: { name: string; thinPool?: string }
  /** What there is in place of a directory, as the config names it: a volume group, a device, a URL without a password. */
  target?: string
  /** Of a device or a URL: how large the disk is that it holds, bytes. */
  sizeBytes?: number
  /** Why vms cannot be put on it. */
  unavailable?: string
  /** The filesystem's type as the kernel names it: ext4, overlay, tmpfs. */
  filesystem?: string
  /**
   * The block device under the filesystem, that of a volume group's one physical volume, or the tier itself, as in
   * /proc/diskstats; absent for tmpfs, overlay, NFS and URLs.
   */
  device?: string
  /** Of a filesystem without a block device: where it is mounted, and what: host:/export. */
  mount?: { point: string; source: string }
  /** Seconds. */
  targetLatency?: number
  /** What it is said to serve, transactions per second. */
  ratedTransactionsPerSecond?: number
  /** What fio has measured of it; absent until it has been calibrated as it is now. */
  calibration?: TierCalibration
}

export interface TierCalibration {
  /** When the newest of it ended, Unix seconds. */
  endedAt: number
  classes: readonly CalibratedClass[]
}

/** What a tier serves of one class of operations. */
export interface CalibratedClass {
  /** random-read, random-write, sequential-read, sequential-write, synced-write. */
  class: string
  /** How long an operation takes that waits for no other, seconds. */
  baseLatency: number
  /** Operations per second at the most. */
  peak: number
  /** How far the measured latencies lie from the line, at the most, as a share of them. */
  residual: number
  /** Of sequential classes. */
  bytesPerSecond?: number
  /** Operations per second at the tier's target latency; absent without one. */
  capacity?: number
}

/** Where a drive's data is: what qemu opens at the bottom. */
export type Backend =
  /** An image file. */
  | { kind: 'file'; path: string }
  /** A block device of this host: a logical volume, a disk, a partition. */
  | { kind: 'device'; path: string }
  /** A server that one of qemu's network drivers speaks to; the password of the URL's user stands in a file. */
  | { kind: 'url'; url: string; passwordFile?: string }

/** One virtual disk of a vm. What is not known of one that kvmio did not make is an empty text, or absent. */
export interface Drive {
  /** Of one that kvmio made also the disk's serial number in the guest. */
  name: string
  tier: string
  bus: string
  format: string
  preallocation: string
  /** Bytes; absent for formats without clusters, and where it is qemu's own. */
  clusterSize?: number
  lazyRefcounts?: boolean
  extendedL2?: boolean
  /** How many images lie under its own. */
  backing?: number
  /** These, the one right under its own first; absent where they are not known. */
  backingImages?: readonly { format: string; backend: Backend }[]
  cache: string
  /** Whether it passes the host's page cache by (O_DIRECT): what qemu issues is what the device gets. */
  direct: boolean
  aio: string
  discard: string
  detectZeroes: string
  /** Whether a thread of its own serves it. */
  iothread?: boolean
  /** Absent where it is qemu's own number. */
  queues?: number
  throttle?: Throttle
  /** As the guest sees it, bytes; absent where that is not known. */
  sizeBytes?: number
  backend: Backend
  /** The id of qemu's device, as `qdev` in query-blockstats begins or ends with it. */
  id: string
}

/** Limits that qemu keeps on a drive; a burst may exceed its limit for burstLength seconds, 1 by default. */
export interface Throttle {
  /** Reads and writes per second. */
  iops?: number
  iopsBurst?: number
  bytesPerSecond?: number
  bytesPerSecondBurst?: number
  burstLength?: number
}

/** Who started a vm; other is a person, or a program that is not told from one. */
export type VmManager = 'kvmio' | 'libvirt' | 'proxmox' | 'other'

/** What kvmio made a vm from. */
export interface VmOrigin {
  study: string
  case: string
  slot: number
  guest: string
  system: string
  workload: string
}

/** What a vm is called, whether it runs or not; its origin is absent when kvmio did not start it. */
export interface VmIdentity extends Partial<VmOrigin> {
  name: string
  manager: VmManager
  /** kvm or tcg; empty where it is not known. */
  accelerator: string
  /** No QMP socket of it is named: what it asks of qemu, and whether qemu answers, is not known. */
  unasked?: true
  drives: readonly Drive[]
  /** Drives of which this host has no counters: the guest drives the hardware itself. */
  passthrough?: readonly PassthroughDrive[]
}

/** A drive that is a disk controller of the host's, given to the guest whole. */
export interface PassthroughDrive {
  name: string
  /** Address of the PCI function on the host. */
  pci: string
}

/** One running qemu process. */
export interface Vm extends VmIdentity {
  /** qemu's process id. */
  pid: number
  /** Whether it ran before this kvmio did. */
  adopted: boolean
  /** Absent while no free socket of it is known. */
  qmp?: Qmp
  /** What its qemu was told to give it, before any balloon; absent where that is not known. */
  memoryBytes?: number
  /** Present when it has a balloon. */
  balloon?: VmBalloon
  /** The path below the hierarchy's root of a cgroup that holds it alone; absent where it has none. */
  cgroup?: string
  /** The last state that the guest has told of itself. */
  guestDisks(): readonly GuestDisk[]
}

/** What a vm's balloon was told. */
export interface VmBalloon {
  /** What the guest is to be left with. */
  targetBytes: number
}

/**
 * A vm of a study that goes on, whose I/O ends with its qemu, but not what it is and how it went; or one that kvmio did
 * not start, which is known while it runs.
 */
export interface KnownVm extends VmIdentity {
  running: boolean
  /** What the guest has told last; Unix seconds. */
  phase?: { name: string; startTime: number }
  /** How its last run ended. */
  outcome?: string
}

/** A line of the guest's own /proc/diskstats, joined to the drive by its serial number. */
export interface GuestDisk {
  /** The disk's name in the guest: vda, sda. */
  disk: string
  drive: string
  /** The fields after the name, as the kernel wrote them. */
  stat: string
}

/** A study that this kvmio executes. */
export interface ActiveStudy {
  name: string
  /** The run that goes on; absent while the study rests or waits. */
  run?: { case: string; block: number; id: number }
  /** Why it waits before its next run. */
  paused?: 'request' | 'space'
  progress?: StudyProgress
}

/** How far a study has come. */
export interface StudyProgress {
  /** Runs that passed or failed, of all that are asked for; of an endless study those of its block. */
  done: number
  of: number
  /** All that are asked for; absent without an end. */
  planned?: number
  /** Seconds until all have run, as far as the past tells. */
  left?: number
}
