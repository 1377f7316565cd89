import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { TierConfig } from '../config/schema.ts'
import { codeOf } from '../lib/errors.ts'
import { readDeviceFamily } from '../source/block-device.ts'
import { readGroupSpace } from '../source/lvm.ts'
import { deviceNumber, readMounts, readSpace } from '../source/mounts.ts'
import { diskFiles } from './disk-record.ts'

/** Where a tier would be opened. */
export interface RoomContext {
  stateDir: string
  procRoot: string
  sysRoot: string
}

/**
 * What images may take on a tier that need not be open, bytes. Of a filesystem that is not mounted it is the size of what
 * it stands on, which is a little more than it will hold. Undefined where nobody knows.
 */
export async function tierRoom(
  name: string,
  config: TierConfig,
  { stateDir, procRoot, sysRoot }: RoomContext,
): Promise<number | undefined> {
  const { directory, filesystem, volumeGroup, device } = config
  try {
    if (directory !== undefined) return await roomBelow(directory)
    if (volumeGroup) {
      return (await readGroupSpace(volumeGroup.name, volumeGroup.thinPool)).availableBytes
    }
    if (filesystem) {
      const { mountPoint, image } = diskFiles(stateDir, name)
      const mounts = await readMounts(procRoot)
      const isMounted = mounts.some((mount) => mount.mountPoint === mountPoint)
      if (isMounted) return (await readSpace(mountPoint)).availableBytes
      if (filesystem.size !== undefined) return await roomOfFile(image, filesystem.size, stateDir)
    }
    const path = device ?? filesystem?.device
    return path === undefined ? undefined : await deviceBytes(path, sysRoot)
  } catch {
    return undefined // what is not there is the tier's to say, when it is opened
  }
}

/** Its filesystem may be smaller than the file is to be; the tier would be unavailable then. */
async function roomOfFile(image: string, sizeBytes: number, stateDir: string): Promise<number> {
  const taken = await stat(image).then(({ blocks }) => blocks * 512, absent)
  return Math.min(sizeBytes, (taken ?? 0) + (await roomBelow(stateDir)))
}

/** Of a folder that may still have to be made. */
async function roomBelow(folder: string): Promise<number> {
  try {
    return (await readSpace(folder)).availableBytes
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(folder) === folder) throw error
    return await roomBelow(dirname(folder))
  }
}

async function deviceBytes(path: string, sysRoot: string): Promise<number> {
  const { rdev } = await stat(path, { bigint: true })
  return (await readDeviceFamily(sysRoot, deviceNumber(rdev))).device.sizeBytes
}

function absent(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error
}
