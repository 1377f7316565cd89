import { access, constants, readFile, rm } from 'node:fs/promises'
import { release } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { launchVm } from '../guest/launch.ts'
import type { VmPlan } from '../guest/plan.ts'
import type { RunningVm, VmContext, VmEnd } from '../guest/running-vm.ts'
import { codeOf, messageOf } from '../lib/errors.ts'

/** Whether guests boot under KVM here, and how that was found. */
export interface KvmVerdict {
  boots: boolean
  reason: string
}

export interface KvmTrial {
  /** The appliance, with a command line that makes it idle. */
  boot: VmPlan['boot']
  /** A folder for the trial's vm. */
  directory: string
  runAs?: number
  /** How long the guest may take to its first phase; under KVM it takes about a second. */
  limitSeconds: number
}

const POLL_MS = 100
const NO_LISTENER = { started() {}, booted() {}, result() {}, phases() {}, async ended() {} }

/**
 * Boots the appliance once under KVM. An openable /dev/kvm proves nothing: on a host that is itself a guest, the vm is
 * made and the kernel then hangs in early boot while qemu burns a core.
 */
export async function tryKvm(trial: KvmTrial, context: VmContext): Promise<KvmVerdict> {
  try {
    await access('/dev/kvm', constants.R_OK | constants.W_OK)
  } catch (error) {
    const why =
      codeOf(error) === 'ENOENT' ? '/dev/kvm does not exist' : '/dev/kvm may not be opened'
    return { boots: false, reason: why }
  }
  try {
    const vm = await launchVm(trialPlan(trial), context, NO_LISTENER)
    const end = await firstPhase(vm, context.now() + trial.limitSeconds, context)
    const booted = vm.phase !== undefined
    await vm.stop('the trial is over')
    if (booted) return { boots: true, reason: 'a guest booted on it' }
    const why =
      end?.reason?.split('\n')[0] ?? `a guest did not boot on it in ${trial.limitSeconds} s`
    return { boots: false, reason: `/dev/kvm opens, but ${why}` }
  } catch (error) {
    return { boots: false, reason: `/dev/kvm opens, but ${onOneLine(messageOf(error))}` }
  } finally {
    await rm(trial.directory, { recursive: true, force: true })
  }
}

/** qemu's last words begin on a line of their own: `killed by SIGABRT:` and what was asserted. */
function onOneLine(message: string): string {
  return message.replaceAll(/:\n\s*/g, ': ').replaceAll(/\n\s*/g, '; ')
}

/** What the verdict depends on: it is tried again when one of these has changed. */
export async function kvmFingerprint(procRoot: string, qemuVersion: string): Promise<string> {
  const cpuinfo = await readFile(join(procRoot, 'cpuinfo'), 'utf8')
  const model = /^model name\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? 'unknown processor'
  return [release(), `qemu ${qemuVersion}`, model].join(', ')
}

/** Waits for the guest's first phase; gives how the vm ended if it did so before. */
async function firstPhase(
  vm: RunningVm,
  deadline: number,
  { now }: VmContext,
): Promise<VmEnd | undefined> {
  while (!vm.phase && now() < deadline) {
    const end = await Promise.race([vm.finished, sleep(POLL_MS)])
    if (end) return end
  }
  return undefined
}

function trialPlan({ boot, directory, runAs, limitSeconds }: KvmTrial): VmPlan {
  return {
    name: 'kvm-trial',
    study: '',
    case: '',
    slot: 1,
    guest: '',
    system: 'appliance',
    workload: 'idle',
    directory,
    accelerator: 'kvm',
    memoryBytes: 128 * 2 ** 20,
    vcpus: 1,
    boot,
    drives: [],
    // The trial's own limit comes first.
    deadlines: { start: 10, boot: 2 * limitSeconds, phase: 2 * limitSeconds },
    runAs,
  }
}
