// Reads /proc/self/mountinfo: https://docs.kernel.org/filesystems/proc.html section 3.5
import { readFile, realpath, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { KvmioError, ParseError } from '../lib/errors.ts'

export interface Mount {
  mountPoint: string
  /** As the kernel names it: ext4, overlay, tmpfs. */
  filesystem: string
  /** What was mounted: /dev/vda, tmpfs, host:/export. */
  source: string
  /** MAJ:MIN as stat() shows it; a major of 0 means no device of its own (overlay, tmpfs, btrfs, NFS). */
  device: string
  /** Those of the mount, then those of the filesystem, each once. */
  options: readonly string[]
}

/** The filesystems that this process sees, in the order of mounting. */
export async function readMounts(procRoot: string): Promise<Mount[]> {
  const file = join(procRoot, 'self/mountinfo')
  return parseMounts(await readFile(file, 'utf8'), file)
}

export function parseMounts(text: string, file = '/proc/self/mountinfo'): Mount[] {
  return text.split('\n').flatMap((row, index) => {
    return row.trim() === '' ? [] : [parseRow(row, file, index + 1)]
  })
}

/**
 * The mount that a file lies on, and the block device under it: MAJ:MIN, absent where there is none (overlay, tmpfs,
 * NFS). The mount is found by stat(), which sees through bind mounts, and else by the longest mount point above the path.
 */
export async function filesystemOf(
  path: string,
  mounts: readonly Mount[],
): Promise<{ mount: Mount; device?: string }> {
  const [real, { dev }] = await Promise.all([realpath(path), stat(path, { bigint: true })])
  const mount = mountOf(real, mounts, deviceNumber(dev))
  if (!mount) throw new KvmioError(`no mount in /proc/self/mountinfo holds ${real}`)
  const device = await blockDeviceUnder(mount)
  return device === undefined ? { mount } : { mount, device }
}

/** MAJ:MIN of the block device under a mount; undefined where there is none. */
export async function blockDeviceUnder({ device, source }: Mount): Promise<string | undefined> {
  return device.startsWith('0:') ? await blockDeviceOf(source) : device
}

/** The mounts that a process sees, by the id that its open files name (fdinfo's mnt_id). */
export async function readMountsById(procRoot: string, pid: number): Promise<Map<number, Mount>> {
  const file = join(procRoot, String(pid), 'mountinfo')
  const text = await readFile(file, 'utf8')
  const ids = text.split('\n').filter((row) => row.trim() !== '')
  const mounts = parseMounts(text, file)
  return new Map(mounts.map((mount, index) => [Number.parseInt(ids[index]!, 10), mount]))
}

/** Where one of these mounts shows the same filesystem, best above the path: two processes may see it at two places. */
export function sameFilesystem(
  path: string,
  { device }: Mount,
  mounts: readonly Mount[],
): Mount | undefined {
  const same = mounts.filter((mount) => mount.device === device)
  return longestAbove(path, same) ?? same[0]
}

/**
 * The mount that a path is in: of those with the number that stat() gives, a bind mount among them, the one with the
 * longest mount point above the path; of two at one mount point the later one, which hides the earlier.
 */
export function mountOf(
  path: string,
  mounts: readonly Mount[],
  number?: string,
): Mount | undefined {
  const same = mounts.filter(({ device }) => device === number)
  // The path may be of another mount namespace; and each subvolume of btrfs has a number that no mount has.
  return longestAbove(path, same) ?? same.at(-1) ?? longestAbove(path, mounts)
}

/** The space of the filesystem that a file lies on, in bytes. */
export async function readSpace(path: string): Promise<Space> {
  const { bsize, blocks, bfree, bavail } = await statfs(path)
  return { sizeBytes: bsize * blocks, freeBytes: bsize * bfree, availableBytes: bsize * bavail }
}

export interface Space {
  sizeBytes: number
  freeBytes: number
  /** Free for users that are not root. */
  availableBytes: number
}

function parseRow(row: string, file: string, line: number): Mount {
  // ID PARENT MAJ:MIN ROOT MOUNTPOINT OPTIONS [TAG...] - TYPE SOURCE OPTIONS
  const fields = row.trim().split(' ')
  const dash = fields.indexOf('-', 6)
  if (dash === -1 || fields.length < dash + 4) {
    throw new ParseError(
      file,
      line,
      `expected 6 or more fields, "-" and 3 fields, got ${shown(row)}`,
    )
  }
  const device = fields[2]!
  if (!/^\d+:\d+$/.test(device)) {
    throw new ParseError(file, line, `field 3 (device): expected MAJ:MIN, got ${shown(device)}`)
  }
  const options = [...fields[5]!.split(','), ...fields[dash + 3]!.split(',')].map(unescaped)
  return {
    mountPoint: unescaped(fields[4]!),
    filesystem: unescaped(fields[dash + 1]!),
    source: unescaped(fields[dash + 2]!),
    device,
    options: [...new Set(options)],
  }
}

/** The kernel writes space, tab, newline, backslash and # as \ooo (fs/seq_file.c: mangle_path). */
export function unescaped(field: string): string {
  return field.replace(/\\([0-3][0-7]{2})/g, (_, code) => String.fromCharCode(parseInt(code, 8)))
}

function longestAbove(path: string, mounts: readonly Mount[]): Mount | undefined {
  const above = mounts.filter(
    ({ mountPoint }) =>
      mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`),
  )
  return above.reduce<Mount | undefined>(
    (best, mount) => (best && best.mountPoint.length > mount.mountPoint.length ? best : mount),
    undefined,
  )
}

/** btrfs: the mount has a device number that is no device's, but its source is the block device. */
async function blockDeviceOf(source: string): Promise<string | undefined> {
  if (!source.startsWith('/')) return undefined
  const found = await stat(source, { bigint: true }).catch(() => undefined)
  return found?.isBlockDevice() ? deviceNumber(found.rdev) : undefined
}

/** stat()'s number as MAJ:MIN (glibc's gnu_dev_major and gnu_dev_minor). */
export function deviceNumber(dev: bigint): string {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn)
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn & 0xffffffffn)
  return `${major}:${minor}`
}

function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}
