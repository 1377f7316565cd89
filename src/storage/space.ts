import type { Tier } from '../attribution/records.ts'
import { readGroupSpace } from '../source/lvm.ts'
import { readSpace } from '../source/mounts.ts'

/** What images may take on a tier, bytes; undefined while it is unavailable, and where nobody knows. */
export async function availableBytes({ tier }: { tier: Tier }): Promise<number | undefined> {
  const { directory, volumeGroup, sizeBytes, unavailable } = tier
  if (unavailable !== undefined) return undefined
  if (volumeGroup) {
    const { name, thinPool } = volumeGroup
    return (await readGroupSpace(name, thinPool)).availableBytes
  }
  return directory === undefined ? sizeBytes : (await readSpace(directory)).availableBytes
}
