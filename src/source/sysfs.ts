// Reads /sys/block: https://docs.kernel.org/admin-guide/abi-stable.html#abi-sys-block
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../lib/errors.ts'

export type BlockDeviceKind =
  | 'disk'
  | 'partition'
  | 'loop'
  | 'dm'
  | 'md'
  | 'nbd'
  | 'zram'
  | 'ram'
  | 'optical'
  | 'floppy'

export interface BlockDevice {
  /** As in /proc/diskstats. */
  name: string
  major: number
  minor: number
  kind: BlockDeviceKind
  /** The device mapper's name: vg0-images. */
  label?: string
  /** The devices that this one stands on: a partition's disk, the members of a dm or md device. */
  parents: string[]
  /** The file under a loop device, as the kernel shows its path. */
  backingFile?: string
}

/** All block devices and how they stand on one another; an attribute that cannot be read costs only itself. */
export async function readBlockDevices(sysRoot: string): Promise<BlockDevice[]> {
  const root = join(sysRoot, 'block')
  const names = await readdir(root)
  const devices = await Promise.all(names.map((name) => readDisk(root, name)))
  return devices.flat().sort((a, b) => a.major - b.major || a.minor - b.minor)
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
  const disk = await readDevice(directory, entry)
  const [label, backingFile] = await Promise.all([
    entries.includes('dm') ? attribute(directory, 'dm/name') : undefined,
    entries.includes('loop') ? attribute(directory, 'loop/backing_file') : undefined,
  ])
  // A partition is a directory in its disk's, and its name begins with the disk's.
  const parts = entries.filter((name) => name !== entry && name.startsWith(entry))
  const partitions = parts.map(async (part): Promise<BlockDevice[]> => {
    const path = join(directory, part)
    if ((await attribute(path, 'partition')) === undefined) return []
    const device = await readDevice(path, part)
    return device ? [{ ...device, kind: 'partition', parents: [nameOf(entry)] }] : []
  })
  // Without a number it is hidden: a path under nvme multipath, which the head of the path counts.
  if (!disk) return []
  const whole: BlockDevice = {
    ...disk,
    kind: kindOf(entry, entries),
    ...(label === undefined ? {} : { label }),
    parents: (await list(join(directory, 'slaves'))).map(nameOf),
    ...(backingFile === undefined ? {} : { backingFile }),
  }
  return [whole, ...(await Promise.all(partitions)).flat()]
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
]

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
