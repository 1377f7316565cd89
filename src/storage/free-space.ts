import { stat } from 'node:fs/promises'
import { formatBytes } from '../lib/quantities.ts'
import { readSpace } from '../source/mounts.ts'
import type { OpenTier } from './tiers.ts'

/** Of a small filesystem a floor for large ones would leave nothing. */
const LARGEST_SHARE = 0.1
const BLOCK_BYTES = 512

/** What is to be written to a tier. */
export interface Need {
  tier: OpenTier
  bytes: number
}

/**
 * Which filesystem of this host would have less than `floor` bytes free (or a tenth of it, if that is less) with all
 * that is to be written, and how much; undefined when none would. The state directory is among them; what stands on a
 * device or volume group of its own is not.
 */
export async function floorProblem(
  needs: readonly Need[],
  stateDir: string,
  floor: number,
): Promise<string | undefined> {
  const byFilesystem = new Map<number, { directory: string; bytes: number }>()
  const add = async (directory: string, bytes: number) => {
    const { dev } = await stat(directory)
    const found = byFilesystem.get(dev)
    byFilesystem.set(dev, { directory, ...found, bytes: (found?.bytes ?? 0) + bytes })
  }
  await add(stateDir, 0)
  for (const { tier, bytes } of needs) {
    const place = await hostPlace(tier, stateDir, bytes)
    if (place) await add(place.directory, place.bytes)
  }
  for (const { directory, bytes } of byFilesystem.values()) {
    const { availableBytes, sizeBytes } = await readSpace(directory)
    const least = leastFree(floor, sizeBytes)
    if (availableBytes - bytes >= least) continue
    const want = bytes === 0 ? '' : ` of which a run can take ${formatBytes(bytes)},`
    return `${directory} has ${formatBytes(availableBytes)} free,${want} and ${formatBytes(least)} are to stay free`
  }
  return undefined
}

/** What is to stay free on a filesystem of this size, bytes. */
export function leastFree(floor: number, sizeBytes: number): number {
  return Math.min(floor, sizeBytes * LARGEST_SHARE)
}

/** Where what is written to a tier comes to rest on a filesystem of the host; a loop file grows no further than its size. */
async function hostPlace(
  { tier, config, disk }: OpenTier,
  stateDir: string,
  bytes: number,
): Promise<{ directory: string; bytes: number } | undefined> {
  if (tier.unavailable !== undefined) return undefined
  if (tier.kind === 'directory' && tier.directory !== undefined)
    return { directory: tier.directory, bytes }
  if (!disk || config.filesystem?.device !== undefined) return undefined
  const { size, blocks } = await stat(disk.files.image)
  return { directory: stateDir, bytes: Math.max(0, Math.min(bytes, size - blocks * BLOCK_BYTES)) }
}
