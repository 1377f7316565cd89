import { realpath, stat } from 'node:fs/promises'
import { readDiskstats } from './diskstats.ts'
import { deviceNumber } from './mounts.ts'

/** A block device that a path names. */
export interface NamedDevice {
  /** Without symbolic links. */
  path: string
  /** MAJ:MIN. */
  number: string
}

/** Undefined when the path is there and names something else; throws when it is not there. */
export async function findBlockDevice(path: string): Promise<NamedDevice | undefined> {
  const real = await realpath(path)
  const found = await stat(real, { bigint: true })
  return found.isBlockDevice() ? { path: real, number: deviceNumber(found.rdev) } : undefined
}

/** The name in /proc/diskstats of the device with a number, MAJ:MIN. */
export async function deviceName(procRoot: string, device: string): Promise<string | undefined> {
  const devices = await readDiskstats(procRoot)
  return devices.find(({ major, minor }) => `${major}:${minor}` === device)?.device
}
