import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readDeviceFamily } from './block-device.ts'
import { readDiskstats } from './diskstats.ts'
import { readVolumeDevice } from './logical-volume.ts'
import {
  blockDeviceUnder,
  deviceNumber,
  type Mount,
  readMounts,
  readMountsById,
  sameFilesystem,
} from './mounts.ts'
import type { OpenFile } from './open-files.ts'

/** What an open file stands on, and where kvmio finds it. Devices are named as in /proc/diskstats. */
export type FilePlace =
  | {
      kind: 'filesystem'
      /** Through the root of the process where that has mounts of its own. */
      path: string
      /** Where this process sees the filesystem, and what is mounted there. */
      mountPoint: string
      source: string
      filesystem: string
      device?: string
    }
  | {
      kind: 'volume'
      /** /dev/GROUP/VOLUME */
      path: string
      group: string
      thinPool?: string
      /** The one device under it; absent with several. */
      device?: string
    }
  | { kind: 'device'; path: string; device: string; disk: string; sizeBytes: number }

/** What of this host says where files lie; read once for all processes. */
export interface HostPlaces {
  mounts: readonly Mount[]
  /** Names by MAJ:MIN. */
  devices: ReadonlyMap<string, string>
}

interface Roots {
  procRoot: string
  sysRoot: string
}

export async function readHostPlaces(procRoot: string): Promise<HostPlaces> {
  const [mounts, stats] = await Promise.all([readMounts(procRoot), readDiskstats(procRoot)])
  const devices = stats.map(({ major, minor, device }) => [`${major}:${minor}`, device] as const)
  return { mounts, devices: new Map(devices) }
}

/**
 * Finds the places of a process' open files. Nothing is asked of their filesystems, since a server that has gone would
 * not answer: the kernel itself says which mount an open file lies on.
 */
export class FilePlaces {
  readonly #roots: Roots
  readonly #pid: number
  readonly #theirs: ReadonlyMap<number, Mount>
  readonly #host: HostPlaces

  private constructor(
    roots: Roots,
    pid: number,
    theirs: ReadonlyMap<number, Mount>,
    host: HostPlaces,
  ) {
    this.#roots = roots
    this.#pid = pid
    this.#theirs = theirs
    this.#host = host
  }

  static async read(roots: Roots, pid: number, host: HostPlaces): Promise<FilePlaces> {
    return new FilePlaces(roots, pid, await readMountsById(roots.procRoot, pid), host)
  }

  /** Undefined for what is no file and no block device, and for a file whose mount kvmio does not see. */
  async of(file: OpenFile): Promise<FilePlace | undefined> {
    if (file.path.startsWith('/dev/')) {
      const found = await stat(
        join(this.#roots.procRoot, String(this.#pid), 'fd', String(file.fd)),
        {
          bigint: true,
        },
      )
      if (found.isBlockDevice()) return await this.#ofDevice(file.path, deviceNumber(found.rdev))
      if (!found.isFile()) return undefined
    }
    const theirs = this.#theirs.get(file.mountId)
    const mount = theirs && sameFilesystem(file.path, theirs, this.#host.mounts)
    if (!mount) return undefined
    const number = await blockDeviceUnder(mount)
    const device = number === undefined ? undefined : this.#host.devices.get(number)
    const { mountPoint, source, filesystem } = mount
    const path = this.#reach(file.path, theirs)
    const place = { kind: 'filesystem' as const, path, mountPoint, source, filesystem }
    return device === undefined ? place : { ...place, device }
  }

  /** The same mount point of the same filesystem is taken for the same place. */
  #reach(path: string, { mountPoint, device }: Mount): string {
    const isShared = this.#host.mounts.some(
      (mount) => mount.mountPoint === mountPoint && mount.device === device,
    )
    return isShared ? path : join(this.#roots.procRoot, String(this.#pid), 'root', path)
  }

  async #ofDevice(path: string, number: string): Promise<FilePlace | undefined> {
    const volume = await readVolumeDevice(this.#roots.sysRoot, number)
    if (volume) {
      const { group, pool } = volume
      const [device, ...more] = volume.devices
      return {
        kind: 'volume',
        path: `/dev/${group}/${volume.name}`,
        group,
        ...(pool === undefined ? {} : { thinPool: pool }),
        ...(device === undefined || more.length > 0 ? {} : { device }),
      }
    }
    const name = this.#host.devices.get(number)
    if (name === undefined) return undefined
    const { device, disk } = await readDeviceFamily(this.#roots.sysRoot, number)
    const { sizeBytes } = device
    return { kind: 'device', path, device: name, disk: disk?.name ?? name, sizeBytes }
  }
}
