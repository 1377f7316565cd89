import { mkdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { DrivePlan, VmPlan } from '../guest/plan.ts'
import { makeWorkDirectory } from '../guest/systems/work-directory.ts'
import { KvmioError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { createBacking } from '../storage/backing.ts'
import { createImage, placeOf } from '../storage/image.ts'
import type { OpenTier } from '../storage/tiers.ts'
import type { StudyContext } from './context.ts'

/** Makes what the vms of a run share: the images under their own. */
export async function createShared(
  [first]: readonly VmPlan[],
  context: StudyContext,
  signal: AbortSignal,
): Promise<void> {
  for (const drive of first?.drives ?? []) {
    await createBacking(tierOf(drive, context), drive, signal)
  }
}

/** Makes a vm's own images. */
export async function createImages(
  { drives }: VmPlan,
  context: StudyContext,
  signal: AbortSignal,
): Promise<void> {
  for (const drive of drives) await createImage(tierOf(drive, context), drive, signal)
  signal.throwIfAborted()
}

/** Keeps the image of a drive where its plan says so; it appears whole, by rename, or not at all. */
export async function keepImage({ drives, keep }: VmPlan, signal: AbortSignal): Promise<void> {
  const drive = drives.find(({ name }) => name === keep?.drive)
  if (!keep || !drive) return
  const folder = dirname(keep.path)
  await mkdir(folder, { recursive: true, mode: 0o755 })
  const work = await makeWorkDirectory(folder)
  try {
    const made = join(work, basename(keep.path))
    const from = ['-f', drive.format, placeOf(drive.backend)]
    await run('qemu-img', ['convert', ...from, '-O', 'qcow2', made], { signal })
    await run('sync', [made])
    await rename(made, keep.path)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** One that cannot be removed, on a disk that has died, must not cost the run its end in the journal. */
export async function removeImages(
  plans: readonly VmPlan[],
  { vm, tier }: StudyContext,
): Promise<void> {
  for (const drive of plans.flatMap(({ drives }) => drives)) {
    for (const { backend } of [drive, ...drive.backing.toReversed()]) {
      await tier(drive.tier)
        ?.release(backend)
        .catch((error) => vm.log.warn({ err: error }, 'an image stays'))
    }
  }
}

function tierOf({ name, tier }: DrivePlan, context: StudyContext): OpenTier {
  const open = context.tier(tier)
  if (!open) throw new KvmioError(`tier ${tier} of drive ${name} is not there`)
  return open
}
