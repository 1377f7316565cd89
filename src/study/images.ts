import type { DrivePlan, VmPlan } from '../guest/plan.ts'
import { KvmioError } from '../lib/errors.ts'
import { createBacking } from '../storage/backing.ts'
import { createImage } from '../storage/image.ts'
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
