import { join } from 'node:path'
import type { Backend } from '../attribution/records.ts'
import { passedThrough } from '../config/passthrough.ts'
import type { GuestConfig } from '../config/schema.ts'
import { rootDrive } from '../config/system-rules.ts'
import type { WorkloadConfig } from '../config/workload-schema.ts'
import {
  type BalloonPlan,
  type DrivePlan,
  guestPciAddress,
  type PassthroughPlan,
  type SourcePlan,
  type VmPlan,
} from '../guest/plan.ts'

import { applianceAppend } from '../guest/systems/appliance-append.ts'
import { workloadFiles, workloadWords } from '../guest/systems/workload-words.ts'
import { drivesOf } from './drives.ts'
import { planInstall } from './install-plan.ts'
import type { CasePlan } from './plan.ts'

/** What the plans of a case's vms need from this host. */
export interface Placement {
  stateDir: string
  /** Where the data of a vm's drive goes on a tier. */
  locate(tier: string, vm: string, drive: string, format: DrivePlan['format']): Backend
  accelerator: VmPlan['accelerator']
  /** The built-in system; only a guest with a system of its own does without. */
  appliance?: { kernel: string; initrd: string }
  /** The image that the built-in installer installs from; only that one needs it. */
  packageDrive?: string
  /** The image that the system on the first drive comes from; there when the guest has one. */
  source?: SourcePlan
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
    const passthrough = planPassthrough(point.guest)
    return {
      name,
      study: studyName,
      case: point.name,
      slot,
      guest: study.guest,
      system: typeof point.guest.system === 'string' ? point.guest.system : 'own',
      workload: study.workload.kind,
      directory: join(placement.stateDir, 'vms', name),
      accelerator: placement.accelerator,
      memoryBytes: point.guest.memory,
      vcpus: point.guest.vcpus,
      balloon: planBalloon(point.guest),
      ...(study.workload.kind === 'install'
        ? planInstall(study.workload, point, slot, placement)
        : planSystem(point.guest, study.workload, placement)),
      drives: planDrives(name, `${studyName}-${point.name}`, point.guest, placement),
      ...(passthrough.length > 0 && { passthrough }),
      deadlines: point.guest.deadlines,
      runAs: placement.runAs,
      cgroup: placement.cgroup && join(placement.cgroup, name),
    }
  })
}

function planPassthrough(guest: GuestConfig): PassthroughPlan[] {
  return passedThrough(guest).map((drive, index) => ({
    ...drive,
    guestAddress: guestPciAddress(index),
  }))
}

/** What the machine starts, and how the guest gets to know its workload. */
function planSystem(
  guest: GuestConfig,
  workload: WorkloadConfig,
  { appliance }: Placement,
): Pick<VmPlan, 'boot' | 'files' | 'seed' | 'mayBeSilent'> {
  const { system } = guest
  const names = Object.keys(guest.drives)
  const passed = planPassthrough(guest).map(({ name, guestAddress: address }) => ({
    name,
    address,
  }))
  const files = workloadFiles(workload)
  const given = Object.keys(files).length > 0 ? { files } : {}
  if (system === 'appliance') {
    if (!appliance) throw new TypeError('a guest of the appliance was planned without it')
    const { kernel, initrd } = appliance
    return { boot: { kernel, initrd, append: applianceAppend(workload, names, passed) }, ...given }
  }
  if (typeof system === 'object' && 'kernel' in system) {
    const { kernel, initrd, append } = system
    const words = `${applianceAppend(workload, names, passed)} ${append}`.trim()
    return { boot: { kernel, initrd, append: words }, ...given }
  }
  const root = names[0]!
  const boot = { drive: root }
  const words = workloadWords(workload, names, root, passed)
  if (system !== 'debian' && system.seed === 'nocloud') return { boot, seed: { words, files } }
  const told = { ...files, words: `${words.join(' ')}\n` }
  return system === 'debian' ? { boot, files: told } : { boot, files: told, mayBeSilent: true }
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
  { locate, source }: Placement,
): DrivePlan[] {
  const root = rootDrive(guest)
  return drivesOf(guest).map(([name, { size, backing, ...drive }]) => ({
    ...drive,
    name,
    sizeBytes: size,
    backend: locate(drive.tier, vm, name, drive.format),
    backing: Array.from({ length: backing }, (_, depth) => {
      const format = depth === 0 ? 'raw' : 'qcow2'
      return { format, backend: locate(drive.tier, run, `${name}-base${depth}`, format) }
    }),
    ...(name === root && source && { source }),
  }))
}
