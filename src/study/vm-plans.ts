import { join } from 'node:path'
import type { Backend } from '../attribution/records.ts'
import type { GuestConfig, WorkloadConfig } from '../config/schema.ts'
import type { BalloonPlan, BootPlan, DrivePlan, VmPlan } from '../guest/plan.ts'
import { applianceAppend } from '../guest/systems/appliance-append.ts'
import { planInstall } from './install-plan.ts'
import type { CasePlan } from './plan.ts'

/** What the plans of a case's vms need from this host. */
export interface Placement {
  stateDir: string
  /** Where the data of a vm's drive goes on a tier. */
  locate(tier: string, vm: string, drive: string, format: DrivePlan['format']): Backend
  accelerator: VmPlan['accelerator']
  /** The built-in system; only a guest with a kernel of its own does without. */
  appliance?: { kernel: string; initrd: string }
  /** The image that the built-in installer installs from; only that one needs it. */
  packageDrive?: string
  /** The cgroup that holds those of the vms. */
  cgroup?: string
  runAs?: number
}

/** The vms of one run of a case. The same names come back with each repetition. */
export function planVms(studyName: string, point: CasePlan, placement: Placement): VmPlan[] {
  const { study } = point
  return Array.from({ length: study.vms }, (_, index) => {
    const slot = index + 1
    const name = `${studyName}-${point.name}-${slot}`
    return {
      name,
      study: studyName,
      case: point.name,
      slot,
      guest: study.guest,
      system: point.guest.system === 'appliance' ? 'appliance' : 'own',
      workload: study.workload.kind,
      directory: join(placement.stateDir, 'vms', name),
      accelerator: placement.accelerator,
      memoryBytes: point.guest.memory,
      vcpus: point.guest.vcpus,
      balloon: planBalloon(point.guest),
      ...(study.workload.kind === 'install'
        ? planInstall(study.workload, point, slot, placement)
        : { boot: planBoot(point.guest, study.workload, placement) }),
      drives: planDrives(name, `${studyName}-${point.name}`, point.guest, placement),
      deadlines: point.guest.deadlines,
      runAs: placement.runAs,
      cgroup: placement.cgroup && join(placement.cgroup, name),
    }
  })
}

function planBoot(
  guest: GuestConfig,
  workload: WorkloadConfig,
  { appliance }: Placement,
): BootPlan {
  const append = applianceAppend(workload, Object.keys(guest.drives))
  if (guest.system === 'appliance') {
    if (!appliance) throw new TypeError('a guest of the appliance was planned without it')
    return { kernel: appliance.kernel, initrd: appliance.initrd, append }
  }
  if (typeof guest.system === 'string' || !('kernel' in guest.system))
    throw new TypeError('not planned yet')
  const { kernel, initrd, append: own } = guest.system
  return { kernel, initrd, append: `${append} ${own}`.trim() }
}

function planBalloon({ balloon }: GuestConfig): BalloonPlan | undefined {
  if (!balloon) return undefined
  const { target, at, freePageReporting, poll } = balloon
  return { targetBytes: target, at, freePageReporting, pollSeconds: poll }
}

function planDrives(
  vm: string,
  run: string,
  guest: GuestConfig,
  { locate }: Placement,
): DrivePlan[] {
  return Object.entries(guest.drives).map(([name, { size, backing, ...drive }]) => ({
    ...drive,
    name,
    sizeBytes: size,
    backend: locate(drive.tier, vm, name, drive.format),
    backing: Array.from({ length: backing }, (_, depth) => {
      const format = depth === 0 ? 'raw' : 'qcow2'
      return { format, backend: locate(drive.tier, run, `${name}-base${depth}`, format) }
    }),
  }))
}
