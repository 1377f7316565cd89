import { isHostCached } from '../guest/cache-mode.ts'
import type { DrivePlan, VmPlan } from '../guest/plan.ts'
import { syncAll } from '../storage/drain.ts'
import { prepareHostCache } from '../storage/host-cache.ts'
import type { StudyContext } from './context.ts'

// What the host's memory holds before and after the vms of a run.

/** Before they start: their images are there, and the page cache is as the case wants it. */
export async function settleBefore(
  plans: readonly VmPlan[],
  hostCache: 'warm' | 'cold',
  context: StudyContext,
  signal: AbortSignal,
): Promise<void> {
  const { procRoot, hierarchy } = context.vm
  const drives = plans.flatMap(({ drives }) => drives)
  // What other vms have mapped stays in the page cache, and all vms of the appliance have the same kernel.
  const boot = hostCache === 'cold' ? [] : plans.flatMap(filesToBoot)
  const images = drives.flatMap((drive) => filesToRead(drive, hostCache))
  const files = [...new Set([...boot, ...images])]
  const directories = directoriesOf(drives, context)
  const hostCached = drives.some(isHostCached)
  // v1 counts what is written back for nobody, whoever made the file.
  const disowned = hierarchy?.version === 2 ? drives.filter(isHostCached).flatMap(ownFile) : []
  await prepareHostCache({
    hostCache,
    directories,
    files,
    disowned,
    hostCached,
    procRoot,
    signal,
  })
}

/**
 * After their end: what they wrote is on its device. Dirty pages that are left then are others', and a run that waited for
 * them would only look slower: 92 s in place of 38, and half the transactions per second, beside programs that kept writing.
 */
export async function settleAfter(plans: readonly VmPlan[], context: StudyContext): Promise<void> {
  const drives = plans.flatMap(({ drives }) => drives)
  const directories = directoriesOf(drives, context)
  const devices = drives.flatMap(({ backend }) => (backend.kind === 'device' ? [backend.path] : []))
  await syncAll({ directories, devices })
}

/** What qemu loads itself, and the media beside the drives. */
function filesToBoot({ boot, media = [] }: VmPlan): string[] {
  const loaded = 'kernel' in boot ? [boot.kernel, boot.initrd ?? []].flat() : []
  return [...loaded, ...media.map(({ path }) => path)]
}

/**
 * Cold means all of an image. Warm means what the guest finds on it: where its own image is new and empty, all else
 * lies below. What is read past the page cache needs nothing in it.
 */
function filesToRead(drive: DrivePlan, hostCache: 'warm' | 'cold'): string[] {
  const { backend, backing, source } = drive
  if (hostCache === 'warm' && !isHostCached(drive)) return []
  const isCopy = source !== undefined && backing.length === 0
  const layers = hostCache === 'cold' || isCopy ? [{ backend }, ...backing] : backing
  return layers.flatMap(({ backend }) => (backend.kind === 'url' ? [] : [backend.path]))
}

function ownFile({ backend }: DrivePlan): string[] {
  return backend.kind === 'file' ? [backend.path] : []
}

function directoriesOf(drives: readonly DrivePlan[], { tier }: StudyContext): string[] {
  const directories = drives.map((drive) => tier(drive.tier)?.tier.directory ?? '')
  return [...new Set(directories)].filter(Boolean)
}
