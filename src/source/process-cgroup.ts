// The cgroup of a process that kvmio did not start: /proc/PID/cgroup, cgroups(7). libvirt and Proxmox give each vm its own.
import { access, readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { codeOf, ParseError } from '../lib/errors.ts'
import { cgroupPids, type IoHierarchy } from './cgroup.ts'
import { readProcStat } from './proc.ts'

/**
 * The nearest cgroup above a process that counts I/O, if it and those below it hold that process and its children alone:
 * what a login session or a container did is no vm's. The path below the hierarchy's root.
 */
export async function findOwnCgroup(
  hierarchy: IoHierarchy,
  procRoot: string,
  pid: number,
): Promise<string | undefined> {
  const file = join(procRoot, String(pid), 'cgroup')
  const path = parseProcCgroup(await readFile(file, 'utf8'), hierarchy.version, file)
  const counting = path && (await nearestCounting(hierarchy, path))
  if (!counting) return undefined
  const isOwn = () => holdsOnly(hierarchy, counting, procRoot, pid)
  // A child that ends between two looks is nobody's in the first, and gone in the second.
  return (await isOwn()) || (await isOwn()) ? counting : undefined
}

/** `0::/PATH` for the unified hierarchy, `7:blkio:/PATH` for v1's; without the slash at its beginning, empty for the root. */
export function parseProcCgroup(
  text: string,
  version: IoHierarchy['version'],
  file = '/proc/PID/cgroup',
): string | undefined {
  for (const [index, row] of text.split('\n').entries()) {
    if (row === '') continue
    const [, id, controllers, path] = /^(\d+):([^:]*):\/(.*)$/.exec(row) ?? []
    if (id === undefined || controllers === undefined) {
      const found = JSON.stringify(row.slice(0, 80))
      throw new ParseError(file, index + 1, `expected ID:CONTROLLERS:/PATH, got ${found}`)
    }
    const isIt = version === 2 ? id === '0' : controllers.split(',').includes('blkio')
    if (isIt) return path
  }
  return undefined
}

/** libvirt on v2 has a qemu's threads in cgroups of their own below that of the vm, where I/O is not counted. */
async function nearestCounting({ version, root }: IoHierarchy, path: string): Promise<string> {
  const counts = version === 2 ? 'io.stat' : 'blkio.throttle.io_serviced_recursive'
  // libvirt on v1 has all of a vm's I/O in the vm's cgroup, and names that of its main thread emulator.
  let at = version === 1 ? path.replace(/\/emulator$/, '') : path
  while (at !== '' && !(await exists(join(root, at, counts)))) at = above(at)
  return at
}

function above(path: string): string {
  const parent = dirname(path)
  return parent === '.' ? '' : parent
}

async function exists(file: string): Promise<boolean> {
  return await access(file).then(
    () => true,
    () => false,
  )
}

async function pidsBelow(hierarchy: IoHierarchy, path: string): Promise<number[]> {
  const entries = await readdir(join(hierarchy.root, path), { withFileTypes: true })
  const below = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(path, name))
  const [own, ...others] = await Promise.all([
    ownPids(hierarchy, path),
    ...below.map((child) => pidsBelow(hierarchy, child)),
  ])
  return [...own, ...others.flat()]
}

async function holdsOnly(
  hierarchy: IoHierarchy,
  path: string,
  procRoot: string,
  pid: number,
): Promise<boolean> {
  const pids = await pidsBelow(hierarchy, path)
  if (!pids.includes(pid)) return false // moved meanwhile, or seen from another namespace
  for (const other of pids) if (!(await descendsFrom(procRoot, other, pid))) return false
  return true
}

/** A cgroup of threads does not tell its processes: the domain that they belong to does. */
async function ownPids(hierarchy: IoHierarchy, path: string): Promise<number[]> {
  try {
    return await cgroupPids(hierarchy, path)
  } catch (error) {
    if (codeOf(error) === 'EOPNOTSUPP' || codeOf(error) === 'ENOTSUP') return []
    throw error
  }
}

async function descendsFrom(procRoot: string, pid: number, ancestor: number): Promise<boolean> {
  for (let at = pid; at > 1; ) {
    if (at === ancestor) return true
    const stat = await readProcStat(procRoot, at).catch(() => undefined)
    at = stat?.ppid ?? 0
  }
  return false
}
