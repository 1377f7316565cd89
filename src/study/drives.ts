import { type ImageDriveConfig, imageDrives } from '../config/passthrough.ts'
import type { GuestConfig } from '../config/schema.ts'
import { rootDrive } from '../config/system-rules.ts'

/**
 * The drives of a guest that are images, as these are made. A qcow2 image of the drive that the system is on is an overlay on the
 * system's image, which the vms of a run share; one that is laid out beforehand, and a raw one, is a copy.
 */
export function drivesOf(guest: GuestConfig): [name: string, drive: ImageDriveConfig][] {
  const root = rootDrive(guest)
  return imageDrives(guest).map(([name, drive]) => {
    const { format, preallocation, backing } = drive
    const isOverlay = name === root && format === 'qcow2' && preallocation === 'off'
    return [name, isOverlay ? { ...drive, backing: Math.max(backing, 1) } : drive]
  })
}
