import type { GuestConfig } from '../config/schema.ts'
import type { Room } from '../density/model.ts'
import { backingSpaceBytes } from '../storage/backing.ts'
import { imageSpaceBytes } from '../storage/image-space.ts'
import { drivesOf } from './drives.ts'

/**
 * The space that vms of a guest may have on a tier, and what the images of one come to take of it when they have grown as
 * far as they can. A guest without a drive there is taken to have all of its drives there. `availableBytes` counts what the
 * images of vms that run have taken already.
 */
export function spaceRoom(guest: GuestConfig, tier: string, availableBytes: number): Room {
  const all = drivesOf(guest).map(([, drive]) => drive)
  const there = all.filter((drive) => drive.tier === tier)
  const drives = there.length > 0 ? there : all
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
  const each = sum(
    drives.map(({ size, ...drive }) => imageSpaceBytes({ ...drive, sizeBytes: size })),
  )
  const shared = sum(drives.map(({ backing, size }) => backingSpaceBytes(backing, size)))
  return { room: availableBytes - shared, each: guest.demand?.space ?? each }
}
