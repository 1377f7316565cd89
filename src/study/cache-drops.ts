import { isHostCached } from '../guest/cache-mode.ts'
import type { DrivePlan, VmPlan } from '../guest/plan.ts'
import { timesEmptied } from '../storage/host-cache.ts'

/**
 * How often the host's page cache has been emptied until now; undefined where that is nothing to the vms of a run: they read
 * past it, or find nothing on their drives but what they have written themselves.
 */
export async function cacheDrops(
  plans: readonly VmPlan[],
  procRoot: string,
): Promise<number | undefined> {
  const drives = plans.flatMap(({ drives }) => drives)
  return drives.some(readsFromCache) ? await timesEmptied(procRoot) : undefined
}

function readsFromCache(drive: DrivePlan): boolean {
  return isHostCached(drive) && (drive.source !== undefined || drive.backing.length > 0)
}

/** Why a run is void whose vms read from the page cache. */
export function cacheDropsProblem(
  before: number | undefined,
  after: number | undefined,
): string | undefined {
  if (before === undefined || after === undefined || after <= before) return undefined
  const times = after - before === 1 ? 'once' : `${after - before} times`
  return `the host's page cache, from which its vms read, was emptied ${times} while it ran`
}
