import type { Vm } from '../attribution/records.ts'
import type { GuestConfig, StudyConfig } from '../config/schema.ts'
import type { PackageSet } from '../config/workload-schema.ts'
import type { VmPlan } from '../guest/plan.ts'
import type { VmRegistry } from '../guest/registry.ts'
import type { VmContext } from '../guest/running-vm.ts'
import type { Journal } from '../journal/journal.ts'
import type { Leases } from '../storage/lease.ts'
import type { FunctionContext } from '../storage/passthrough.ts'
import type { OpenTier } from '../storage/tiers.ts'
import type { DeviceCounts } from './device-counts.ts'
import type { StudyEvent } from './event.ts'
import type { LatencyCounts } from './ramp/verdict.ts'

/** What qemu has counted of one kind of operation of a drive. */
export interface OperationCounts {
  operations: number
  nanoseconds: number
  histogram?: LatencyCounts
}

/** What qemu has counted of a drive. */
export interface DriveCounts {
  /** Of the qemu device. */
  id: string
  read: OperationCounts
  write: OperationCounts
  flush: OperationCounts
}

/** What one second held, transactions per second by name. */
export interface SecondRates {
  /** How long it was, seconds. */
  seconds?: number
  devices: ReadonlyMap<string, number>
  vms: ReadonlyMap<string, number>
  /** By vm, until now; of one that did not answer there is nothing. */
  drives?: ReadonlyMap<string, readonly DriveCounts[]>
  /** What each vm asked of each tier, device-seconds per second. */
  demand?: readonly { vm: string; tier: string; seconds: number }[]
  /** The share of the processors' time that a hypervisor under this host gave to others, 0 to 1. */
  stolen?: number
  /** The share in which they were not idle, 0 to 1. */
  busy?: number
}

export interface HostMemory {
  totalBytes: number
  /** What may still be taken without swapping; absent on a kernel that does not tell. */
  availableBytes?: number
}

/** The parts that a study runs on; nothing else is global. */
export interface StudyContext {
  stateDir: string
  journal: Journal
  registry: VmRegistry
  leases: Leases
  /** Where functions that are passed through are, and what is remembered of them. */
  functions: FunctionContext
  vm: VmContext
  tier(name: string): OpenTier | undefined
  /** The built-in system; built when it is first asked for. */
  appliance(): Promise<{ kernel: string; initrd: string }>
  /** The image that the built-in installer installs these from; built when it is first asked for. */
  packageDrive(packages: PackageSet): Promise<string>
  /** The built-in disk image; built when it is first asked for. */
  debian(): Promise<{ image: string }>
  /** Why this host cannot run a case of that guest and study, its tiers aside: they have been opened. */
  lack(guest: GuestConfig, study: StudyConfig): Promise<string | undefined>
  /** What `accel: auto` comes out as on this host. */
  accelerator(guest: GuestConfig): Promise<VmPlan['accelerator']>
  /** Versions and host facts, for the manifest of each run. */
  manifest(): Promise<unknown>
  /** The cgroup that holds those of the vms. */
  cgroup?: string
  runAs?: number
  /** What is to stay free on the filesystems of this host that a study writes to, bytes. */
  freeSpaceFloor(): number
  /** The memory of this host, bytes. */
  memory(): Promise<HostMemory>
  /** What the qemu of a vm takes of it, bytes; undefined while that is not known. */
  memoryOf(vm: string): number | undefined
  /** The counters of this host's block devices. */
  devices(): Promise<DeviceCounts[]>
  /** By device, the transactions that no vm accounts for, since kvmio began. */
  unattributed(): ReadonlyMap<string, number>
  /** Calls back each second; the returned function ends that. */
  onSecond(listener: (second: SecondRates) => void): () => void
  onEvent(event: StudyEvent): void
  /** Reads a vm's counters once more, while its qemu still waits. */
  takeLast(vm: Vm): Promise<void>
}
