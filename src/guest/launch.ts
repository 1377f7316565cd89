import { messageOf } from '../lib/errors.ts'
import { armHistograms, readBlockStats } from '../source/blockstats.ts'
import { addToCgroup, createCgroup } from '../source/cgroup.ts'
import { isSameProcess } from '../source/proc.ts'
import { Qmp } from '../source/qmp.ts'
import { type VmPlan, vmFiles } from './plan.ts'
import { connectQmp, endProcess, type ProcessIdentity, startQemu } from './qemu-process.ts'
import {
  RunningVm,
  removeVmRemains,
  type VmContext,
  type VmListener,
  type VmProgress,
} from './running-vm.ts'

// Upper bounds of the latency histograms in microseconds: from a cached write to a disk that is lost in its queue.
const LATENCY_BOUNDS_US = [
  50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
  1_000_000, 2_500_000,
]
const BOUNDARIES_NS = LATENCY_BOUNDS_US.map((microseconds) => microseconds * 1_000)

/**
 * Starts a vm: qemu stopped, its cgroup, its histograms, then `cont`. When any of it fails, nothing is left behind but
 * the logs.
 */
export async function launchVm(
  plan: VmPlan,
  context: VmContext,
  listener: VmListener,
): Promise<RunningVm> {
  const { procRoot, hierarchy, binary } = context
  const process = await startQemu(plan, binary, procRoot)
  listener.started(process)
  try {
    if (hierarchy && plan.cgroup !== undefined) {
      await createCgroup(hierarchy, plan.cgroup)
      await addToCgroup(hierarchy, plan.cgroup, process.pid)
    }
    const qmp = await connectQmp(plan, process, procRoot, plan.deadlines.start * 1000)
    for (const { qdev } of await readBlockStats(qmp)) await armHistograms(qmp, qdev, BOUNDARIES_NS)
    await qmp.command('cont')
    return new RunningVm(plan, process, qmp, context, listener)
  } catch (error) {
    await endProcess(process, procRoot, 1_000)
    await removeVmRemains(plan, hierarchy, true)
    throw error
  }
}

/** Takes over a vm that a killed kvmio left behind; undefined when its qemu has gone or no longer answers. */
export async function adoptVm(
  plan: VmPlan,
  identity: ProcessIdentity,
  context: VmContext,
  listener: VmListener,
  progress: VmProgress,
): Promise<RunningVm | undefined> {
  if (!(await isSameProcess(context.procRoot, identity.pid, identity.startTicks))) return undefined
  try {
    const qmp = await Qmp.connect({ name: `vm ${plan.name}`, path: vmFiles(plan.directory).qmp })
    const { status } = await qmp.command<{ status: string }>('query-status')
    // A kvmio that was killed between the start and `cont`: the guest has done nothing yet.
    if (status === 'prelaunch') return await abandon('killed before its first instruction')
    return new RunningVm(plan, identity, qmp, context, listener, progress)
  } catch (error) {
    return await abandon(messageOf(error))
  }

  async function abandon(reason: string): Promise<undefined> {
    context.log.warn({ vm: plan.name, reason }, 'vm cannot be taken over; ending it')
    await endProcess(identity, context.procRoot, 1_000)
    return undefined
  }
}
