import { formatBytes } from '../lib/quantities.ts'
import { backingSpaceBytes } from '../storage/backing.ts'
import { imageSpaceBytes } from '../storage/image-space.ts'
import { availableBytes } from '../storage/space.ts'
import type { OpenTier } from '../storage/tiers.ts'
import { drivesOf } from './drives.ts'
import type { CasePlan } from './plan.ts'

/** What the images of a study can come to take at once on each tier, bytes: the case that takes most. */
export function spaceNeeded(cases: readonly CasePlan[]): Map<string, number> {
  const needed = new Map<string, number>()
  for (const { guest, study, skip } of cases) {
    if (skip !== undefined) continue
    const ofCase = new Map<string, number>()
    for (const { tier, size, backing, ...drive } of drivesOf(guest).map(([, drive]) => drive)) {
      const own = study.vms * imageSpaceBytes({ ...drive, sizeBytes: size })
      const shared = backingSpaceBytes(backing, size)
      ofCase.set(tier, (ofCase.get(tier) ?? 0) + own + shared)
    }
    for (const [tier, bytes] of ofCase) needed.set(tier, Math.max(needed.get(tier) ?? 0, bytes))
  }
  return needed
}

/** Which tier cannot hold what a study's images can come to take; undefined when all can. */
export async function spaceProblem(
  cases: readonly CasePlan[],
  tier: (name: string) => OpenTier | undefined,
): Promise<string | undefined> {
  for (const [name, needed] of spaceNeeded(cases)) {
    const open = tier(name)
    const available = open && (await availableBytes(open))
    if (available === undefined || needed <= available) continue
    return `its images can come to take ${formatBytes(needed)} on tier ${name}, which has ${formatBytes(available)}`
  }
  return undefined
}
