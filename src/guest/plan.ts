import { join } from 'node:path'
import type { Backend, VmIdentity, VmOrigin } from '../attribution/records.ts'
import type { DriveConfig } from '../config/drive-schema.ts'
import type { ImageDriveConfig, PassthroughConfig } from '../config/passthrough.ts'
import type { GuestConfig } from '../config/schema.ts'
import { CACHE_MODES } from './cache-mode.ts'

/** What one qemu process is made from; journalled, so that a later kvmio can take the vm over. */
export interface VmPlan extends VmOrigin, Pick<VmIdentity, 'name'> {
  /** The vm's own folder: sockets, logs. */
  directory: string
  accelerator: 'kvm' | 'tcg'
  memoryBytes: number
  vcpus: number
  /** Absent without one. */
  balloon?: BalloonPlan
  boot: BootPlan
  /** What is attached beside the drives, and only read; none when absent. */
  media?: MediaPlan[]
  /** An installer of the user's own says nothing: how the machine goes off tells that it is done. */
  done?: 'power-off' | 'reboot'
  /** What becomes of a drive's image when the run has passed; it is removed when absent. */
  keep?: KeepPlan
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

/** What the machine starts: a kernel that qemu loads, or a drive or a medium that its BIOS boots from. */
export type BootPlan = KernelPlan | { drive: string } | { medium: string }

export interface KernelPlan {
  kernel: string
  initrd?: string
  append: string
  /** Paths of files that are put into the root of the initrd, by their names there. */
  files?: Record<string, string>
}

/** An image that is no drive of the vm: on no tier, and not among its figures. */
export interface MediaPlan {
  /** Also the serial number of a disk. */
  name: string
  kind: 'cdrom' | 'disk'
  path: string
}

export interface KeepPlan {
  drive: string
  /** Of the image, a qcow2. */
  path: string
}

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
    /** One that had files put into it. */
    initrd: join(directory, 'initrd.img'),
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
    backingImages: drive.backing.toReversed(),
    id: driveId(drive),
    direct: CACHE_MODES[drive.cache].direct,
  }))
  const passthrough = plan.passthrough?.map(({ name, pci }) => ({ name, pci }))
  return {
    name,
    manager: 'kvmio',
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
