import type { Drive, KnownVm, PassthroughDrive, Throttle } from '../attribution/records.ts'
import * as m from '../metrics/catalog.ts'
import { type Sample, sample } from '../metrics/family.ts'
import type { Collector } from './collector.ts'
import { throttleSamples } from './throttle-samples.ts'

/** What each vm is, how far it has come and how it went last. */
export const vm: Collector = {
  name: 'vm',
  collect: async ({ knownVms }) => knownVms.flatMap(vmSamples),
}

function vmSamples(vm: KnownVm): Sample[] {
  const { name, manager, accelerator, drives, passthrough = [], phase, outcome } = vm
  const of = { vm: name }
  const info = {
    ...of,
    manager,
    study: vm.study ?? '',
    case: vm.case ?? '',
    slot: String(vm.slot ?? ''),
    guest: vm.guest ?? '',
    system: vm.system ?? '',
    workload: vm.workload ?? '',
    accelerator,
  }
  return [
    sample(m.vmInfo, info, 1),
    ...drives.map((drive) => driveInfo(name, drive)),
    ...drives.flatMap((drive) => throttleSamples(name, drive)),
    ...passthrough.map((drive) => passedInfo(name, drive)),
    ...(outcome === undefined ? [] : [sample(m.vmOutcome, { ...of, outcome }, 1)]),
    ...(phase
      ? [
          sample(m.vmPhase, { ...of, phase: phase.name }, 1),
          sample(m.vmPhaseStart, { ...of, phase: phase.name }, phase.startTime),
        ]
      : []),
  ]
}

function driveInfo(vm: string, drive: Drive): Sample {
  const { name, tier, bus, format, preallocation, cache, aio, discard } = drive
  const ofQcow2 = (value: unknown) => (format === 'qcow2' ? String(value ?? '') : '')
  const labels = {
    vm,
    drive: name,
    tier,
    bus,
    format,
    preallocation,
    cluster_size: ofQcow2(drive.clusterSize),
    lazy_refcounts: ofQcow2(drive.lazyRefcounts),
    extended_l2: ofQcow2(drive.extendedL2),
    backing: ofQcow2(drive.backing),
    cache,
    aio,
    discard,
    detect_zeroes: drive.detectZeroes,
    iothread: String(drive.iothread ?? ''),
    queues: String(drive.queues ?? ''),
    throttle: throttleWords(drive.throttle),
    pci: '',
  }
  return sample(m.driveInfo, labels, 1)
}

/** Of what the guest does with hardware of its own neither qemu nor this host has a figure: only that it is so is told. */
function passedInfo(vm: string, { name, pci }: PassthroughDrive): Sample {
  const empty = Object.fromEntries(m.driveInfo.labels.map((label) => [label, ''])) as Record<
    (typeof m.driveInfo.labels)[number],
    string
  >
  return sample(m.driveInfo, { ...empty, vm, drive: name, bus: 'passthrough', pci }, 1)
}

/** `iops=100 iopsBurst=200`: bytes and seconds in base units. */
function throttleWords(throttle: Throttle = {}): string {
  const given = Object.entries(throttle).filter(([, limit]) => limit !== undefined)
  return given.map(([name, limit]) => `${name}=${limit}`).join(' ')
}
