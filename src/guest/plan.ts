import { join } from 'node:path'
import type { Backend, VmIdentity } from '../attribution/records.ts'
import type { ImageDriveConfig, PassthroughConfig } from '../config/passthrough.ts'
import type { DriveConfig, GuestConfig } from '../config/schema.ts'
import { CACHE_MODES } from './cache-mode.ts'

/** What one qemu process is made from; journalled, so that a later kvmio can take the vm over. */
export interface VmPlan extends Omit<VmIdentity, 'drives'> {
  /** The vm's own folder: sockets, logs. */
  directory: string
  accelerator: 'kvm' | 'tcg'
  memoryBytes: number
  vcpus: number
  /** Absent without one. */
  balloon?: BalloonPlan
  boot: BootPlan
  /** What the guest finds in qemu's fw_cfg as opt/kvmio/NAME; none when absent. */
  files?: Record<string, string>
  /** What cloud-init in the guest is told to do; absent without. */
  seed?: SeedPlan
  /** The system may never say a word: that it powers off is then a good end. */
  mayBeSilent?: boolean
  drives: DrivePlan[]
  /** Drives that are disk controllers of the host's; absent without one. */
  passthrough?: PassthroughPlan[]
  /** Seconds. */
  deadlines: GuestConfig['deadlines']
  /** The uid that qemu takes on; absent when kvmio itself is not root. */
  runAs?: number
  /** Below the root of the I/O hierarchy; absent where kvmio may not make one. */
  cgroup?: string
}

/** What the machine starts: a kernel that qemu loads, or a drive that its BIOS boots from. */
export type BootPlan = { kernel: string; initrd?: string; append: string } | { drive: string }

/** A NoCloud seed; its image lies in the vm's folder. */
export interface SeedPlan {
  words: string[]
  files: Record<string, string>
}

export interface BalloonPlan {
  /** What the guest is to be left with; all of its memory when absent. */
  targetBytes?: number
  /** The phase with whose beginning the target is set; from the start when absent. */
  at?: string
  freePageReporting: boolean
  pollSeconds: number
}

export interface DrivePlan extends Omit<ImageDriveConfig, 'size' | 'backing'> {
  /** Also the disk's serial number. */
  name: string
  sizeBytes: number
  backend: Backend
  /** The images under its own, the lowest first: only read, and shared by the vms of a run. */
  backing: LayerPlan[]
  /** What the drive holds when the vm starts: it is in the lowest image. Nothing when absent. */
  source?: SourcePlan
}

/** An image that is read to make others of it. */
export interface SourcePlan {
  path: string
  format: DriveConfig['format']
}

/** A disk controller that the guest gets whole. */
export interface PassthroughPlan extends PassthroughConfig {
  /** Of the function in the guest, which finds the drive by it: its disk has a serial number of the maker's. */
  guestAddress: string
}

// From the end of the machine's bus, since qemu fills it from the beginning.
const LAST_SLOT = 0x1f

/** Where the guest sees its n-th passed-through function. */
export function guestPciAddress(index: number): string {
  return `0000:00:${(LAST_SLOT - index).toString(16).padStart(2, '0')}.0`
}

/** One image of a backing chain. */
export interface LayerPlan {
  format: DriveConfig['format']
  backend: Backend
}

/** The files of a vm; all of them below its own folder. */
export function vmFiles(directory: string) {
  return {
    qmp: join(directory, 'qmp.sock'),
    /** For a person: a second client of one QMP socket gets no greeting. */
    qmpDebug: join(directory, 'qmp-debug.sock'),
    console: join(directory, 'console.sock'),
    consoleLog: join(directory, 'console.log'),
    phase: join(directory, 'phase.sock'),
    phaseLog: join(directory, 'phase.log'),
    qemuLog: join(directory, 'qemu.log'),
    seed: join(directory, 'seed.img'),
    /** What is given to the guest by fw_cfg. */
    firmware: (name: string) => join(directory, `fw-${name}`),
  }
}

/** The id of the qemu device of a drive. qemu's ids begin with a letter, names need not. */
export function driveId(drive: { name: string }): string {
  return `drive-${drive.name}`
}

/** What the vm is called and made from, for metrics. */
export function identityOf(plan: VmPlan): VmIdentity {
  const { name, study, slot, guest, system, workload, accelerator } = plan
  const drives = plan.drives.map((drive) => ({
    ...drive,
    backing: drive.backing.length,
    id: driveId(drive),
    direct: CACHE_MODES[drive.cache].direct,
  }))
  const passthrough = plan.passthrough?.map(({ name, pci }) => ({ name, pci }))
  return {
    name,
    study,
    case: plan.case,
    slot,
    guest,
    system,
    workload,
    accelerator,
    drives,
    ...(passthrough && { passthrough }),
  }
}
