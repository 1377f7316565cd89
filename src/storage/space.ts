import { readSpace } from '../source/mounts.ts'
import type { OpenTier } from './tiers.ts'

/** What images may take on a tier, bytes; undefined while it is unavailable. */
export async function availableBytes({ tier }: OpenTier): Promise<number | undefined> {
  if (tier.directory === undefined || tier.unavailable !== undefined) return undefined
  return (await readSpace(tier.directory)).availableBytes
}
