import { imageDrives } from '../config/passthrough.ts'
import type { GuestConfig } from '../config/schema.ts'
import { rootDrive } from '../config/system-rules.ts'
import type { SourcePlan } from '../guest/plan.ts'
import { KvmioError } from '../lib/errors.ts'
import { checkSource } from '../storage/source-image.ts'
import type { StudyContext } from './context.ts'
import type { CasePlan } from './plan.ts'

/** The image that the system on the guest's first drive comes from; undefined when it is on none. */
export async function systemSource(
  guest: GuestConfig,
  context: Pick<StudyContext, 'debian'>,
  signal: AbortSignal,
): Promise<SourcePlan | undefined> {
  const { system } = guest
  const name = rootDrive(guest)
  if (name === undefined) return undefined
  const source: SourcePlan =
    typeof system === 'object' && 'image' in system
      ? { path: system.image, format: system.format }
      : { path: (await context.debian()).image, format: 'raw' }
  const sizeBytes = Object.fromEntries(imageDrives(guest))[name]!.size
  await checkSource(source, { name, sizeBytes }, signal)
  return source
}

/** Skipped where the system cannot be had: it cannot be built here, its image is not there, or larger than the drive. */
export async function withSystem(
  point: CasePlan,
  context: Pick<StudyContext, 'debian'>,
  signal: AbortSignal,
): Promise<CasePlan> {
  if (point.skip !== undefined) return point
  try {
    await systemSource(point.guest, context, signal)
    return point
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof KvmioError)) throw error
    return { ...point, skip: error.message }
  }
}
