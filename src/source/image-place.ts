import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../lib/errors.ts'
import { readDeviceFamily } from './block-device.ts'
import { readDiskstats } from './diskstats.ts'
import { volumeOf } from './lvm.ts'
import {
  blockDeviceUnder,
  deviceNumber,
  type Mount,
  readMounts,
  readMountsById,
  sameFilesystem,
} from './mounts.ts'
import type { OpenFile } from './open-files.ts'

/** What an open image stands on. Devices are named as in /proc/diskstats. */
export type ImagePlace =
  | {
      kind: 'filesystem'
      /** Where this process sees it, and what is mounted there. */
      mountPoint: string
      source: string
      filesystem: string
      device?: string
    }
  | {
      kind: 'volume'
      group: string
      /** /dev/GROUP/VOLUME */
      path: string
      /** The one device under its group, as far as this volume shows; absent with several. */
      device?: string
    }
  | { kind: 'device'; path: string; device: string; disk: string; sizeBytes: number }

/**
 * Finds the places of a process' open files. Nothing is asked of their filesystems, since a server that has gone would
 * not answer: the kernel itself says which mount an open file lies on.
 */
export class ImagePlaces {
  readonly #procRoot: string
  readonly #sysRoot: string
  readonly #pid: number
  readonly #theirs: ReadonlyMap<number, Mount>
  readonly #ours: readonly Mount[]
  /** By MAJ:MIN. */
  readonly #names: ReadonlyMap<string, string>

  private constructor(
    roots: { procRoot: string; sysRoot: string },
    pid: number,
    theirs: ReadonlyMap<number, Mount>,
    ours: readonly Mount[],
    names: ReadonlyMap<string, string>,
  ) {
    this.#procRoot = roots.procRoot
    this.#sysRoot = roots.sysRoot
    this.#pid = pid
    this.#theirs = theirs
    this.#ours = ours
    this.#names = names
  }

  static async read(procRoot: string, sysRoot: string, pid: number): Promise<ImagePlaces> {
    const [theirs, ours, devices] = await Promise.all([
      readMountsById(procRoot, pid),
      readMounts(procRoot),
      readDiskstats(procRoot),
    ])
    const names = devices.map(({ major, minor, device }) => [`${major}:${minor}`, device] as const)
    return new ImagePlaces({ procRoot, sysRoot }, pid, theirs, ours, new Map(names))
  }

  /** Undefined for what is no file and no block device, and for a file whose mount kvmio does not see. */
  async of(file: OpenFile): Promise<ImagePlace | undefined> {
    if (file.path.startsWith('/dev/')) {
      const found = await stat(join(this.#procRoot, String(this.#pid), 'fd', String(file.fd)), {
        bigint: true,
      })
      if (found.isBlockDevice()) return await this.#ofDevice(file.path, deviceNumber(found.rdev))
      if (!found.isFile()) return undefined
    }
    const theirs = this.#theirs.get(file.mountId)
    const mount = theirs && sameFilesystem(file.path, theirs, this.#ours)
    if (!mount) return undefined
    const number = await blockDeviceUnder(mount)
    const device = number === undefined ? undefined : this.#names.get(number)
    const { mountPoint, source, filesystem } = mount
    const place = { kind: 'filesystem' as const, mountPoint, source, filesystem }
    return device === undefined ? place : { ...place, device }
  }

  async #ofDevice(path: string, number: string): Promise<ImagePlace | undefined> {
    const volume = await readVolume(this.#sysRoot, number)
    if (volume) {
      const [device, ...more] = volume.physicalVolumes
      const place = {
        kind: 'volume' as const,
        group: volume.group,
        path: `/dev/${volume.group}/${volume.name}`,
      }
      return device === undefined || more.length > 0 ? place : { ...place, device }
    }
    const name = this.#names.get(number)
    if (name === undefined) return undefined
    const { device, disk } = await readDeviceFamily(this.#sysRoot, number)
    const { sizeBytes } = device
    return { kind: 'device', path, device: name, disk: disk?.name ?? name, sizeBytes }
  }
}

/** The logical volume that a device is, if it is one, and what its data lies on. */
async function readVolume(sysRoot: string, number: string) {
  const folder = join(sysRoot, 'dev/block', number)
  if (!(await isLvm(folder))) return undefined
  const volume = volumeOf((await readFile(join(folder, 'dm/name'), 'utf8')).trim())
  return volume && { ...volume, physicalVolumes: [...new Set(await leavesOf(sysRoot, folder))] }
}

/** The devices under a volume, through those that LVM keeps for itself: a thin pool and its parts. */
async function leavesOf(sysRoot: string, folder: string): Promise<string[]> {
  const slaves = (await readdir(join(folder, 'slaves'))).sort()
  const leaves = slaves.map(async (name) => {
    const slave = join(sysRoot, 'class/block', name)
    return (await isLvm(slave)) ? await leavesOf(sysRoot, slave) : [name.replaceAll('!', '/')]
  })
  return (await Promise.all(leaves)).flat()
}

/** LVM begins the uuid of each of its devices like that (lib/activate/dev_manager.c: UUID_PREFIX). */
async function isLvm(folder: string): Promise<boolean> {
  try {
    return (await readFile(join(folder, 'dm/uuid'), 'utf8')).startsWith('LVM-')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}
