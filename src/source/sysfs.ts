// Reads /sys/block: https://docs.kernel.org/admin-guide/abi-stable.html#abi-sys-block
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../lib/errors.ts'
import { type MappedVolume, volumeOf } from './lvm.ts'
import { namespaceOf } from './nvme-path.ts'

export type BlockDeviceKind =
  | 'disk'
  | 'partition'
  | 'path'
  | 'loop'
  | 'lvm'
  | 'crypt'
  | 'multipath'
  | 'dm'
  | 'md'
  | 'bcache'
  | 'zvol'
  | 'nbd'
  | 'zram'
  | 'ram'
  | 'optical'
  | 'floppy'

export interface BlockDevice {
  /** As in /proc/diskstats. */
  name: string
  /** Absent of a path under nvme multipath: the kernel hides its number, but not its counters. */
  major?: number
  minor?: number
  kind: BlockDeviceKind
  /** The device mapper's name: vg0-images. */
  label?: string
  /** Of a logical volume, and of the devices that LVM makes one of. */
  volume?: MappedVolume
  /** Of an md device: raid1. */
  level?: string
  /** The devices that this one stands on: a partition's disk, the members of a dm or md device, the paths of an nvme namespace. */
  parents: string[]
  /** The file under a loop device, as the kernel shows its path. */
  backingFile?: string
}

/**
 * All block devices and how they stand on one another; an attribute that cannot be read costs only itself. `attend` sees
 * to the reading of each disk and its partitions, by their folder.
 */
export async function readBlockDevices(
  sysRoot: string,
  attend: (folder: string, read: () => Promise<BlockDevice[]>) => Promise<BlockDevice[]> = (
    _folder,
    read,
  ) => read(),
): Promise<BlockDevice[]> {
  const root = join(sysRoot, 'block')
  const names = await readdir(root)
  const read = (name: string) => attend(join(root, name), () => readDisk(root, name))
  const found = (await Promise.all(names.map(read))).flat()
  const devices = found.map((device) => ({
    ...device,
    parents: [...device.parents, ...pathsOf(device.name, found)],
  }))
  const place = ({ major = 0, minor = 0 }: BlockDevice) => major * 2 ** 20 + minor
  return devices.sort((a, b) => place(a) - place(b) || (a.name < b.name ? -1 : 1))
}

/** The names of the devices of each mounted btrfs: https://docs.kernel.org/filesystems/btrfs.html */
export async function readFilesystemGroups(sysRoot: string): Promise<string[][]> {
  const root = join(sysRoot, 'fs/btrfs')
  const groups = (await list(root)).map((id) => list(join(root, id, 'devices')))
  return (await Promise.all(groups)).map((names) => names.map(nameOf)).filter((names) => names[0])
}

/**
 * Whether a whole disk says that it turns; undefined where it does not say. The kernel takes the queue's lock for the
 * answer, so on a disk that hangs this never returns (a mount over a dead FUSE file, kernel 6.18): not for each scrape.
 */
export async function readRotational(sysRoot: string, disk: string): Promise<boolean | undefined> {
  const directory = join(sysRoot, 'block', disk.replaceAll('/', '!'))
  const answer = await attribute(directory, 'queue/rotational')
  return answer === undefined ? undefined : answer === '1'
}

async function readDisk(root: string, entry: string): Promise<BlockDevice[]> {
  const directory = join(root, entry)
  const entries = await list(directory)
  const read = (folder: string, name: string) =>
    entries.includes(folder) ? attribute(directory, `${folder}/${name}`) : undefined
  const [disk, label, uuid, level, backingFile] = await Promise.all([
    readDevice(directory, entry),
    ...[read('dm', 'name'), read('dm', 'uuid'), read('md', 'level'), read('loop', 'backing_file')],
  ])
  if (!disk) return await readPath(directory, entry)
  const kind = uuid === undefined ? kindOf(entry, entries) : mappedKind(uuid)
  const volume = kind === 'lvm' && label !== undefined ? volumeOf(label) : undefined
  const whole: BlockDevice = {
    ...disk,
    kind,
    ...(label === undefined ? {} : { label }),
    ...(volume ? { volume } : {}),
    ...(level === undefined ? {} : { level }),
    parents: (await list(join(directory, 'slaves'))).map(nameOf),
    ...(backingFile === undefined ? {} : { backingFile }),
  }
  return [whole, ...(await readPartitions(directory, entry, entries))]
}

/** A partition is a directory in its disk's, and its name begins with the disk's. */
async function readPartitions(
  directory: string,
  entry: string,
  entries: readonly string[],
): Promise<BlockDevice[]> {
  const names = entries.filter((name) => name !== entry && name.startsWith(entry))
  const partitions = names.map(async (name): Promise<BlockDevice[]> => {
    const path = join(directory, name)
    if ((await attribute(path, 'partition')) === undefined) return []
    const device = await readDevice(path, name)
    return device ? [{ ...device, kind: 'partition', parents: [nameOf(entry)] }] : []
  })
  return (await Promise.all(partitions)).flat()
}

/** Under nvme multipath a namespace has a disk for each controller: hidden, with counters and without a number. */
async function readPath(directory: string, entry: string): Promise<BlockDevice[]> {
  if (namespaceOf(entry) === undefined) return []
  const isPath = (await attribute(directory, 'hidden')) === '1'
  return isPath ? [{ name: entry, kind: 'path', parents: [] }] : []
}

function pathsOf(disk: string, devices: readonly BlockDevice[]): string[] {
  return devices.flatMap(({ name, kind }) =>
    kind === 'path' && namespaceOf(name) === disk ? [name] : [],
  )
}

async function readDevice(directory: string, entry: string) {
  const [, major, minor] = /^(\d+):(\d+)$/.exec((await attribute(directory, 'dev')) ?? '') ?? []
  if (major === undefined) return undefined
  return { name: nameOf(entry), major: Number(major), minor: Number(minor) }
}

const KINDS: readonly [name: RegExp, kind: BlockDeviceKind][] = [
  [/^loop\d/, 'loop'],
  [/^dm-\d/, 'dm'],
  [/^md(\d|_)/, 'md'],
  [/^nbd\d/, 'nbd'],
  [/^zram\d/, 'zram'],
  [/^ram\d/, 'ram'],
  [/^sr\d/, 'optical'],
  [/^fd\d/, 'floppy'],
  [/^bcache\d/, 'bcache'],
  [/^zd\d/, 'zvol'],
]

/** The device mapper's users put their name before what is unique (libdm: dm_build_dm_uuid; kpartx: partN-). */
function mappedKind(uuid: string): BlockDeviceKind {
  if (/^part\d+-/.test(uuid)) return 'partition'
  if (uuid.startsWith('LVM-')) return 'lvm'
  if (uuid.startsWith('CRYPT-')) return 'crypt'
  return uuid.startsWith('mpath-') ? 'multipath' : 'dm'
}

function kindOf(entry: string, entries: readonly string[]): BlockDeviceKind {
  for (const kind of ['dm', 'md', 'loop'] as const) if (entries.includes(kind)) return kind
  return KINDS.find(([name]) => name.test(entry))?.[1] ?? 'disk'
}

/** sysfs has ! for the slash in names such as cciss/c0d0. */
function nameOf(entry: string): string {
  return entry.replaceAll('!', '/')
}

async function attribute(directory: string, name: string): Promise<string | undefined> {
  try {
    return (await readFile(join(directory, name), 'utf8')).replace(/\n$/, '')
  } catch (error) {
    // Gone meanwhile, not there on this kernel, not for this user: each costs this attribute alone.
    if (codeOf(error) !== undefined) return undefined
    throw error
  }
}

async function list(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort()
  } catch (error) {
    if (codeOf(error) !== undefined) return []
    throw error
  }
}
