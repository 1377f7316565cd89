// A block device by its path, and who uses it: /sys/class/block, /proc/swaps, the mount table.
// https://docs.kernel.org/admin-guide/abi-stable.html#abi-sys-block
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { codeOf } from '../lib/errors.ts'
import { readDiskstats, SECTOR_BYTES } from './diskstats.ts'
import { deviceNumber, type Mount } from './mounts.ts'
import { wholeNumber } from './whole-number.ts'

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

/** A disk or a partition as sysfs has it. */
export interface SysDevice {
  /** The kernel's name: sda1. */
  name: string
  /** MAJ:MIN. */
  number: string
  sizeBytes: number
  readOnly: boolean
  /** What stands on it: md0, dm-3, bcache0. */
  holders: string[]
}

/** A device with what it is part of, and what is part of it. */
export interface DeviceFamily {
  device: SysDevice
  /** Of a partition. */
  disk?: SysDevice
  /** Of a disk. */
  partitions: SysDevice[]
}

/** Throws when there is no such device. */
export async function readDeviceFamily(sysRoot: string, number: string): Promise<DeviceFamily> {
  const path = await realpath(join(sysRoot, 'dev/block', number))
  const device = await readSysDevice(path)
  const isPartition = (await attribute(path, 'partition')) !== undefined
  if (isPartition) return { device, disk: await readSysDevice(dirname(path)), partitions: [] }
  const entries = await readdir(path, { withFileTypes: true })
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(path, name))
  const parts = await Promise.all(
    folders.map(async (folder) =>
      (await attribute(folder, 'partition')) === undefined ? [] : [await readSysDevice(folder)],
    ),
  )
  return { device, partitions: parts.flat() }
}

/** Where a device is mounted. A filesystem with a number of its own (btrfs) names it as its source. */
export async function mountPointsOf(
  { name, number }: SysDevice,
  mounts: readonly Mount[],
): Promise<string[]> {
  const found = mounts.map(async ({ mountPoint, device, source }) => {
    if (device === number) return [mountPoint]
    if (!device.startsWith('0:') || !source.startsWith('/dev/')) return []
    const real = await realpath(source).catch(() => source)
    return basename(real) === basename(name) ? [mountPoint] : []
  })
  return (await Promise.all(found)).flat()
}

/** The devices and files that the kernel swaps to: the first column of /proc/swaps. */
export async function readSwaps(procRoot: string): Promise<string[]> {
  const text = await readFile(join(procRoot, 'swaps'), 'utf8')
  return text
    .split('\n')
    .slice(1)
    .flatMap((row) => row.split(/\s/)[0] || [])
}

async function readSysDevice(path: string): Promise<SysDevice> {
  const [number, sectors, readOnly] = await Promise.all(
    ['dev', 'size', 'ro'].map((name) => attribute(path, name)),
  )
  return {
    name: basename(path).replaceAll('!', '/'),
    number: number ?? '',
    sizeBytes: wholeNumber(sectors ?? '', 'sectors', join(path, 'size'), 1) * SECTOR_BYTES,
    readOnly: readOnly === '1',
    holders: (await readdir(join(path, 'holders')).catch(() => [])).sort(),
  }
}

async function attribute(path: string, name: string): Promise<string | undefined> {
  try {
    return (await readFile(join(path, name), 'utf8')).trim()
  } catch (error) {
    if (codeOf(error) !== undefined) return undefined // not there, or gone meanwhile
    throw error
  }
}
