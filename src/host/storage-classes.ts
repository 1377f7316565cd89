import { access, constants } from 'node:fs/promises'
import { filesystemOf, type Mount, readMounts, readSpace } from '../source/mounts.ts'
import { type BlockDevice, readBlockDevices, readRotational } from '../source/sysfs.ts'

export type StorageKind = 'nvme' | 'ssd' | 'hdd' | 'virtual'

/** A disk of this host with a filesystem that images could be put on. */
export interface StorageClass {
  kind: StorageKind
  /** The disks at the bottom of what is mounted, as in /proc/diskstats. */
  disks: string[]
  filesystem: string
  mountPoint: string
  availableBytes: number
  /** Whether this user may make a directory at the mount point. */
  writable: boolean
  /** Whether it holds the folder that was asked about. */
  holdsFolder: boolean
}

export interface StorageRoots {
  procRoot: string
  sysRoot: string
  /** Where the config is to be. */
  folder: string
}

/** Less is no place for images. */
const LEAST_BYTES = 2 * 2 ** 30
/** Firmware's and installers' filesystems, and those that cannot be written to. */
const NO_PLACE = /^(vfat|msdos|iso9660|udf|squashfs|erofs|ntfs3?)$/

/** The filesystem with most room on each disk, and the one that holds the folder; the largest first. */
export async function findStorageClasses(roots: StorageRoots): Promise<StorageClass[]> {
  const { procRoot, sysRoot, folder } = roots
  const [mounts, devices] = await Promise.all([readMounts(procRoot), readBlockDevices(sysRoot)])
  const here = await filesystemOf(folder, mounts).catch(() => undefined)
  const byNumber = new Map(devices.map((device) => [`${device.major}:${device.minor}`, device]))
  const candidates = await Promise.all(
    visible(mounts).map(async (mount): Promise<StorageClass[]> => {
      const { mountPoint, filesystem, options } = mount
      if (options.includes('ro') || NO_PLACE.test(filesystem)) return []
      const found = await filesystemOf(mountPoint, [mount]).catch(() => undefined)
      const device = byNumber.get(found?.device ?? '')
      const disks = device ? disksUnder(device, devices) : []
      if (disks.length === 0) return []
      const space = await readSpace(mountPoint).catch(() => undefined)
      if (!space || space.availableBytes < LEAST_BYTES) return []
      return [
        {
          kind: await kindOf(disks, sysRoot),
          disks,
          filesystem,
          mountPoint,
          availableBytes: space.availableBytes,
          writable: await mayWrite(mountPoint),
          holdsFolder: here?.device === found?.device && here !== undefined,
        },
      ]
    }),
  )
  return onePerDisk(candidates.flat())
}

/** Of two at one mount point the later one hides the earlier. */
function visible(mounts: readonly Mount[]): Mount[] {
  return [...new Map(mounts.map((mount) => [mount.mountPoint, mount])).values()]
}

/** The folder's own before others, then the one with most room; a bind mount is the same disk once more. */
function onePerDisk(all: readonly StorageClass[]): StorageClass[] {
  const best = new Map<string, StorageClass>()
  const rank = ({ holdsFolder, writable, availableBytes }: StorageClass) =>
    [Number(holdsFolder), Number(writable), availableBytes] as const
  const inOrder = all.toSorted((a, b) => {
    const [x, y] = [rank(a), rank(b)]
    return y[0] - x[0] || y[1] - x[1] || y[2] - x[2] || a.mountPoint.length - b.mountPoint.length
  })
  for (const one of inOrder) {
    const key = one.disks.join()
    if (!best.has(key)) best.set(key, one)
  }
  return [...best.values()]
}

/** The disks at the bottom of a stack; none for what lies in memory, in a file or on a network. */
function disksUnder(device: BlockDevice, devices: readonly BlockDevice[]): string[] {
  if (device.kind === 'disk') return [device.name] // what is under it are its paths
  const parents = devices.filter(({ name }) => device.parents.includes(name))
  return [...new Set(parents.flatMap((parent) => disksUnder(parent, devices)))].sort()
}

/** By the disk's name, and by what it says of itself; a hypervisor says what it likes. */
async function kindOf(disks: readonly string[], sysRoot: string): Promise<StorageKind> {
  if (disks.every((name) => name.startsWith('nvme'))) return 'nvme'
  if (disks.every((name) => /^(vd|xvd)/.test(name))) return 'virtual'
  const turns = await Promise.all(disks.map((name) => readRotational(sysRoot, name)))
  return turns.some((rotational) => rotational === true) ? 'hdd' : 'ssd'
}

async function mayWrite(directory: string): Promise<boolean> {
  return await access(directory, constants.W_OK).then(
    () => true,
    () => false,
  )
}
