import type { StudyConfig } from '../config/schema.ts'
import type { VmPlan } from '../guest/plan.ts'
import { cacheDrops } from './cache-drops.ts'
import type { StudyContext } from './context.ts'
import type { DeviceCounts } from './device-counts.ts'
import { quietSeconds, quietWindow, sharedDevices, tierNamesOf } from './neighbours.ts'

/** How the host stood just before the vms of a run started, and what its end is held against; the journal keeps it. */
export interface Baseline {
  /** Unix seconds. */
  at: number
  /** The counters of the devices under the run's tiers. */
  devices: DeviceCounts[]
  /** What others did on those that are shared, transactions per second; nothing where nobody looked. */
  quiet: Record<string, number>
  /** By device, the transactions that no vm accounts for, since kvmio began. */
  unattributed: Record<string, number>
  /** How often the host's page cache had been emptied by hand; absent where its vms read nothing from it. */
  cacheDrops?: number
  workload: StudyConfig['workload']
  /** The share of others above which the run is void, and how long they are watched after it, seconds. */
  neighbours?: { limit: number; seconds: number }
}

/** Taken when all that a run needs is there and nothing of it has started. */
export async function takeBaseline(
  plans: readonly VmPlan[],
  study: Pick<StudyConfig, 'workload' | 'neighbours' | 'pause'>,
  context: StudyContext,
  signal: AbortSignal,
): Promise<Baseline> {
  const { workload, neighbours } = study
  const tiers = tierNamesOf(plans)
  const shared = sharedDevices(tiers, context.tier)
  const quiet = await quietWindow(shared, quietSeconds(study), context.devices, signal)
  const names = new Set(tiers.flatMap((name) => context.tier(name)?.tier.device ?? []))
  const devices = (await context.devices()).filter(({ device }) => names.has(device))
  const unattributed = [...context.unattributed()].filter(([device]) => names.has(device))
  const drops = await cacheDrops(plans, context.vm.procRoot)
  return {
    at: context.vm.now(),
    devices,
    quiet,
    unattributed: Object.fromEntries(unattributed),
    ...(drops !== undefined && { cacheDrops: drops }),
    workload,
    ...(neighbours !== undefined && {
      neighbours: { limit: neighbours, seconds: quietSeconds(study) },
    }),
  }
}
