import type { KnownVm } from '../attribution/records.ts'
import * as m from '../metrics/catalog.ts'
import { type Sample, sample } from '../metrics/family.ts'
import type { Collector } from './collector.ts'

/** What each vm is, how far it has come and how it went last. */
export const vm: Collector = {
  name: 'vm',
  collect: async ({ knownVms }) => knownVms.flatMap(vmSamples),
}

function vmSamples(vm: KnownVm): Sample[] {
  const { name, study, slot, guest, system, workload, accelerator, drives, phase, outcome } = vm
  const of = { vm: name }
  const info = {
    ...of,
    study,
    case: vm.case,
    slot: String(slot),
    guest,
    system,
    workload,
    accelerator,
  }
  return [
    sample(m.vmInfo, info, 1),
    ...drives.map(({ name: drive, tier, bus, format, cache, aio }) =>
      sample(m.driveInfo, { ...of, drive, tier, bus, format, cache, aio }, 1),
    ),
    ...(outcome === undefined ? [] : [sample(m.vmOutcome, { ...of, outcome }, 1)]),
    ...(phase
      ? [
          sample(m.vmPhase, { ...of, phase: phase.name }, 1),
          sample(m.vmPhaseStart, { ...of, phase: phase.name }, phase.startTime),
        ]
      : []),
  ]
}
