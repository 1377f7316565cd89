// cgroup v2 io: https://docs.kernel.org/admin-guide/cgroup-v2.html#io
// cgroup v1 blkio: https://docs.kernel.org/admin-guide/cgroup-v1/blkio-controller.html
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf, KvmioError, messageOf, ParseError } from '../lib/errors.ts'
import { pollKernelText } from './kernel-text.ts'
import { readMounts } from './mounts.ts'
import { type Pressure, readPressure } from './pressure.ts'
import { wholeNumber } from './whole-number.ts'

/** Where cgroups that count I/O are made. */
export interface IoHierarchy {
  /** 1: blkio; 2: the unified hierarchy. */
  version: 1 | 2
  root: string
}

/** What a cgroup and those below it did on one device. On v1 these are bios, and only those sent by its own threads. */
export interface CgroupIo {
  /** MAJ:MIN */
  device: string
  readsCompleted: number
  readBytes: number
  writesCompleted: number
  writtenBytes: number
  discardsCompleted?: number
  discardedBytes?: number
}

/** The hierarchy that has the io controller: v2 where it is there, else v1 blkio, which hybrid hosts have. */
export async function findIoHierarchy(procRoot: string): Promise<IoHierarchy | undefined> {
  const mounts = await readMounts(procRoot)
  for (const { filesystem, mountPoint: root } of mounts) {
    if (filesystem === 'cgroup2' && (await controllers(root)).includes('io')) {
      return { version: 2, root }
    }
  }
  const blkio = mounts.find(({ filesystem, options }) => {
    return filesystem === 'cgroup' && options.includes('blkio')
  })
  return blkio && { version: 1, root: blkio.mountPoint }
}

/** The same, where cgroups are mounted elsewhere, as in a container: `root` is what /sys/fs/cgroup is on the host. */
export async function ioHierarchyAt(root: string): Promise<IoHierarchy | undefined> {
  if ((await controllers(root)).includes('io')) return { version: 2, root }
  const blkio = join(root, 'blkio')
  const there = await readdir(blkio).then(
    (names) => names.includes('cgroup.procs'),
    () => false,
  )
  return there ? { version: 1, root: blkio } : undefined
}

/** Makes a cgroup and those above it; on v2 the ones above are told to count I/O for it. */
export async function createCgroup(hierarchy: IoHierarchy, path: string): Promise<void> {
  const directory = directoryOf(hierarchy, path)
  await attempt(path, 'made', () => mkdir(directory, { recursive: true }))
  if (hierarchy.version === 2) await enableIo(hierarchy, path)
}

/** Removes a cgroup and those below it, waiting a moment for processes that are just ending. */
export async function removeCgroup(hierarchy: IoHierarchy, path: string): Promise<void> {
  for (const child of await children(directoryOf(hierarchy, path))) {
    await removeCgroup(hierarchy, join(path, child))
  }
  for (let left = REMOVE_ATTEMPTS; ; left--) {
    try {
      return await rmdir(directoryOf(hierarchy, path))
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return
      if (codeOf(error) !== 'EBUSY' || left === 0) throw await notRemoved(hierarchy, path, error)
    }
    await sleep(REMOVE_PAUSE_MS)
  }
}

/** Moves a process with all its threads into a cgroup. */
export async function addToCgroup(
  hierarchy: IoHierarchy,
  path: string,
  pid: number,
): Promise<void> {
  const file = join(directoryOf(hierarchy, path), 'cgroup.procs')
  await attempt(path, `given process ${pid}`, () => setValue(file, String(pid)))
}

/** The processes of a cgroup, without those of cgroups below it; none when it is gone. */
export async function cgroupPids(hierarchy: IoHierarchy, path: string): Promise<number[]> {
  const text = await readIfThere(join(directoryOf(hierarchy, path), 'cgroup.procs'))
  return text.split('\n').filter(Boolean).map(Number)
}

/**
 * Makes v1 count: since kernel 6.10 (a3166c51702b, "delay initialization until configuration") the files of a disk stay
 * empty until a throttle rule was written for it once, in whichever cgroup. The rule written here limits nothing.
 */
export async function armCgroup(
  hierarchy: IoHierarchy,
  path: string,
  device: string,
): Promise<void> {
  if (hierarchy.version === 2) return
  const file = join(directoryOf(hierarchy, path), 'blkio.throttle.write_iops_device')
  await attempt(path, `made to count I/O on ${device}`, () => setValue(file, `${device} ${HUGE}`))
}

/** What a cgroup did, by device; no row for a device that the kernel has no figures of. */
export async function readCgroupIo(hierarchy: IoHierarchy, path: string): Promise<CgroupIo[]> {
  const directory = directoryOf(hierarchy, path)
  if (hierarchy.version === 2) {
    const file = join(directory, 'io.stat')
    return parseIoStat(await pollKernelText(file), file)
  }
  const files = ['io_serviced', 'io_service_bytes'].map((name) => {
    return join(directory, `blkio.throttle.${name}_recursive`)
  }) as [string, string]
  const [serviced, bytes] = await Promise.all(files.map((file) => pollKernelText(file)))
  return parseBlkio(serviced!, bytes!, files)
}

/** How long the tasks of a cgroup have waited for I/O; v1 does not know. */
export async function readCgroupPressure(
  hierarchy: IoHierarchy,
  path: string,
): Promise<Pressure | undefined> {
  if (hierarchy.version === 1) return undefined
  return await readPressure(join(directoryOf(hierarchy, path), 'io.pressure'))
}

/** v1's blkio.throttle.io_serviced_recursive and io_service_bytes_recursive. */
export function parseBlkio(
  serviced: string,
  serviceBytes: string,
  files: readonly [string, string] = ['io_serviced_recursive', 'io_service_bytes_recursive'],
): CgroupIo[] {
  const counts = parseBlkioFile(serviced, files[0])
  const bytes = parseBlkioFile(serviceBytes, files[1])
  return [...counts].flatMap(([device, count]) => {
    const size = bytes.get(device)
    if (!size) return []
    return rowOf(device, {
      readsCompleted: count.get('Read'),
      readBytes: size.get('Read'),
      writesCompleted: count.get('Write'),
      writtenBytes: size.get('Write'),
      discardsCompleted: count.get('Discard'),
      discardedBytes: size.get('Discard'),
    })
  })
}

/** v2's io.stat: `254:0 rbytes=… wbytes=… rios=… wios=… dbytes=… dios=…`, with keys of other policies behind. */
export function parseIoStat(text: string, file = 'io.stat'): CgroupIo[] {
  const rows = new Map<string, Map<string, number>>()
  for (const [index, row] of text.split('\n').entries()) {
    // Some 5.x kernels print a device without figures and go on with the next one on the same line.
    let values = new Map<string, number>()
    for (const token of row.split(' ').filter(Boolean)) {
      const [key, value] = token.split('=') as [string, string?]
      if (/^\d+:\d+$/.test(token) || token === '(unknown)') {
        values = new Map()
        if (token !== '(unknown)') rows.set(token, values) // else the device is gone
      } else if (value === undefined) {
        const found = JSON.stringify(token)
        throw new ParseError(file, index + 1, `expected MAJ:MIN or KEY=VALUE, got ${found}`)
      } else if (IO_STAT_KEYS.has(key)) values.set(key, wholeNumber(value, key, file, index + 1))
    }
  }
  return [...rows].flatMap(([device, values]) => {
    return rowOf(device, {
      readsCompleted: values.get('rios'),
      readBytes: values.get('rbytes'),
      writesCompleted: values.get('wios'),
      writtenBytes: values.get('wbytes'),
      discardsCompleted: values.get('dios'),
      discardedBytes: values.get('dbytes'),
    })
  })
}

const REMOVE_ATTEMPTS = 40
const REMOVE_PAUSE_MS = 50
// Below 2^32 - 1, which stands for "no rule" and would not arm.
const HUGE = 4_000_000_000
const IO_STAT_KEYS = new Set(['rbytes', 'wbytes', 'rios', 'wios', 'dbytes', 'dios'])

type MaybeRow = { [K in Exclude<keyof CgroupIo, 'device'>]: number | undefined }

function rowOf(device: string, values: MaybeRow): CgroupIo[] {
  const { readsCompleted, readBytes, writesCompleted, writtenBytes } = values
  const { discardsCompleted, discardedBytes } = values
  if (readsCompleted === undefined || readBytes === undefined) return []
  if (writesCompleted === undefined || writtenBytes === undefined) return []
  const row: CgroupIo = { device, readsCompleted, readBytes, writesCompleted, writtenBytes }
  if (discardsCompleted === undefined || discardedBytes === undefined) return [row]
  return [{ ...row, discardsCompleted, discardedBytes }]
}

/** Lines `254:0 Read 12` and so on, ended by `Total 12` over all devices. */
function parseBlkioFile(text: string, file: string): Map<string, Map<string, number>> {
  const rows = new Map<string, Map<string, number>>()
  for (const [index, row] of text.split('\n').entries()) {
    if (row.trim() === '' || row.startsWith('Total ')) continue
    const [device, operation, value, ...more] = row.trim().split(' ')
    if (!/^\d+:\d+$/.test(device!) || value === undefined || more.length > 0) {
      const found = JSON.stringify(row)
      throw new ParseError(file, index + 1, `expected MAJ:MIN OPERATION COUNT, got ${found}`)
    }
    const values = rows.get(device!) ?? new Map<string, number>()
    rows.set(device!, values.set(operation!, wholeNumber(value, operation!, file, index + 1)))
  }
  return rows
}

/** Each cgroup above has to hand the controller down; memory too, since writeback is attributed only with both. */
async function enableIo({ root }: IoHierarchy, path: string): Promise<void> {
  const names = path.split('/')
  for (let depth = 0; depth < names.length; depth++) {
    const above = join(root, ...names.slice(0, depth))
    const wanted = ['io', 'memory']
    const there = await controllers(above)
    const enabled = await controllers(above, 'cgroup.subtree_control')
    const missing = wanted.filter((name) => there.includes(name) && !enabled.includes(name))
    if (missing.length === 0) continue
    const file = join(above, 'cgroup.subtree_control')
    const value = missing.map((name) => `+${name}`).join(' ')
    await attempt(path, `given the controllers ${missing.join(' and ')}`, () =>
      setValue(file, value),
    )
  }
}

async function controllers(directory: string, file = 'cgroup.controllers'): Promise<string[]> {
  return (await readIfThere(join(directory, file))).trim().split(/\s+/).filter(Boolean)
}

async function children(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
}

async function readIfThere(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ENODEV'].includes(codeOf(error) ?? '')) return ''
    throw error
  }
}

/** Neither created nor truncated: these files take one value a write. */
function setValue(file: string, value: string): Promise<void> {
  return writeFile(file, value, { flag: 'r+' })
}

function directoryOf({ root }: IoHierarchy, path: string): string {
  const names = path.split('/')
  // systemd writes a hyphen of a vm's name as \x2d; libvirt without systemd takes names as they are, spaces too.
  if (names.every((name) => /^[^\p{Cc}]+$/u.test(name) && !/^\.+$/.test(name))) {
    return join(root, path)
  }
  throw new KvmioError(
    `cgroup ${path}: expected names between slashes, none of them dots alone or with control characters`,
  )
}

async function attempt(path: string, done: string, act: () => Promise<unknown>): Promise<void> {
  try {
    await act()
  } catch (cause) {
    const hint = HINTS[codeOf(cause) ?? ''] ?? messageOf(cause)
    throw new KvmioError(`cgroup ${path}: could not be ${done}: ${hint}`, { cause })
  }
}

const HINTS: Record<string, string> = {
  EACCES: 'permission denied; run kvmio as root or in a delegated cgroup',
  EPERM: 'permission denied; run kvmio as root or in a delegated cgroup',
  EROFS: 'the cgroup filesystem is mounted read-only',
  ESRCH: 'there is no such process',
  ENODEV: 'there is no such whole disk',
  EBUSY: 'cgroup v2 has processes only in cgroups that hand no controller down',
  ENOENT: 'there is no such cgroup',
}

async function notRemoved(hierarchy: IoHierarchy, path: string, cause: unknown): Promise<Error> {
  const pids = await cgroupPids(hierarchy, path).catch(() => [])
  const why = pids.length > 0 ? `it still holds process ${pids.join(', ')}` : messageOf(cause)
  return new KvmioError(`cgroup ${path}: could not be removed: ${why}`, { cause })
}
