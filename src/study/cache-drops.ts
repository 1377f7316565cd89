import { isHostCached } from '../guest/cache-mode.ts'
import type { VmPlan } from '../guest/plan.ts'
import { readCacheDrops } from '../source/proc.ts'

/** How often the host's page cache has been emptied until now; undefined where that is nothing to the vms of a run. */
export async function cacheDrops(
  plans: readonly VmPlan[],
  procRoot: string,
): Promise<number | undefined> {
  const cached = plans.some(({ drives }) => drives.some(isHostCached))
  return cached ? await readCacheDrops(procRoot) : undefined
}

/** Why a run is void whose vms find in the page cache what they have read, or written, before. */
export function cacheDropsProblem(
  before: number | undefined,
  after: number | undefined,
): string | undefined {
  if (before === undefined || after === undefined || after <= before) return undefined
  const times = after - before === 1 ? 'once' : `${after - before} times`
  return `the host's page cache, through which its vms go, was emptied ${times} while it ran`
}
