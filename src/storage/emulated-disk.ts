// A disk that serves so many requests at a time and takes the same time for each: nbdkit delays, nbdfuse makes a file of it.
// https://libguestfs.org/nbdkit-delay-filter.1.html, https://libguestfs.org/nbdkit-rate-filter.1.html,
// https://libguestfs.org/nbdfuse.1.html
import { mkdir, open, readFile, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf, DeadlineError, KvmioError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { run, startDetached } from '../lib/process.ts'
import { readMounts } from '../source/mounts.ts'
import { type Daemon, identifyDaemon } from './daemon.ts'
import type { DiskFiles } from './disk-record.ts'
import { realTimePrefix } from './real-time.ts'

/**
 * Keeps a block request in one piece, so that one transaction is one service. FUSE hands on 256 pages at most: under a
 * loop device a read of 1280 KiB became 1024 + 256 KiB at nbdkit (kernel 6.18, libfuse 3.14). Half of it also holds
 * for buffers that do not begin at a page.
 */
export const MAX_REQUEST_KB = 512

const START_MS = 10_000
const POLL_MS = 10
const MAX_SOCKET_PATH = 107 // sun_path, unix(7)

/** What an emulated disk is like. */
export interface EmulatedDisk {
  /** Whole milliseconds: nbdkit takes 2.5 for 2. */
  serviceMs?: number
  /** For reads, and again for writes. */
  bytesPerSecond?: number
  /** How many requests it serves at a time; one without. */
  parallel?: number
}

export interface EmulatedDiskOptions extends EmulatedDisk {
  procRoot: string
  log: Log
  /** What is under it: a file or a block device. */
  store: string
  /** Called as soon as a daemon runs, before anything waits for it. */
  started(program: 'nbdkit' | 'nbdfuse', daemon: Daemon): Promise<void>
}

/** Puts an emulated disk over the tier's loop file or device; it goes on when kvmio is killed. */
export async function startEmulatedDisk(
  files: DiskFiles,
  options: EmulatedDiskOptions,
): Promise<void> {
  const prefix = await realTimePrefix((error) =>
    options.log.warn(
      { err: error },
      'emulated disks cannot have real-time priority; a busy host slows them',
    ),
  )
  await options.started('nbdkit', await startNbdkit(files, options, prefix))
  await startNbdfuse(files, options, prefix)
}

/** Why the socket cannot be where it should. */
export function socketPathProblem({ socket }: DiskFiles): string | undefined {
  const length = Buffer.byteLength(socket)
  if (length <= MAX_SOCKET_PATH) return undefined
  return `the path of its socket has ${length} bytes, and a unix socket takes ${MAX_SOCKET_PATH}; choose a shorter state directory: ${socket}`
}

// nbdkit turns into a daemon itself: with --foreground it refuses every request once its parent has died. It keeps the
// session of whoever starts it, and a Ctrl-C there would take the disk from under an adopted vm; hence setsid.
async function startNbdkit(
  files: DiskFiles,
  options: EmulatedDiskOptions,
  prefix: string[],
): Promise<Daemon> {
  await rm(files.socket, { force: true })
  await rm(files.nbdkitPid, { force: true })
  const place = ['--unix', files.socket, '--pidfile', files.nbdkitPid]
  const args = [...prefix, 'nbdkit', ...place, ...nbdkitArgs(options.store, options)]
  await run('setsid', args, { name: 'nbdkit', timeoutMs: START_MS })
  const pid = await until('nbdkit to write its pid', () => readPid(files.nbdkitPid))
  return await identifyDaemon(options.procRoot, pid)
}

// The default, 2 s, lets a disk of 20 MiB/s serve 33 in the first three seconds after a rest, and this one 20.3. What does
// not hold the largest request is never full enough: 256 KiB let a disk of 5 MiB/s serve 3.4.
const BURST_SECONDS = 0.05
const BURST_BYTES = 2 * MAX_REQUEST_KB * 1024

/** What nbdkit is told beside its socket. */
export function nbdkitArgs(store: string, disk: EmulatedDisk): string[] {
  const { serviceMs, bytesPerSecond, parallel = 1 } = disk
  const one = parallel === 1
  const filters = [
    ...(one ? ['noparallel'] : []),
    ...(bytesPerSecond === undefined ? [] : ['rate']),
    ...(serviceMs === undefined ? [] : ['delay']),
  ]
  return [
    ...(one ? [] : ['--threads=1']), // of each connection
    ...filters.map((filter) => `--filter=${filter}`),
    ...['file', `file=${store}`],
    ...(serviceMs === undefined ? [] : [`rdelay=${serviceMs}ms`, `wdelay=${serviceMs}ms`]),
    ...(bytesPerSecond === undefined
      ? []
      : [`rate=${bytesPerSecond * 8}`, `burstiness=${burstSeconds(bytesPerSecond)}`]), // in bits
    ...(one ? ['serialize=all-requests'] : []),
  ]
}

function burstSeconds(bytesPerSecond: number): number {
  const seconds = Math.max(BURST_SECONDS, BURST_BYTES / bytesPerSecond)
  return Math.round(seconds * 1000) / 1000
}

/**
 * One request at a time on each connection. Of its connections nbdfuse uses all but the last (libnbd 1.14 and 1.20,
 * next_thread in fuse/operations.c): 2 served 98/s at 10 ms each, 3 served 197, 5 served 381, 8 served 681. Several
 * requests on one connection wait for one another there.
 */
function connections({ parallel = 1 }: EmulatedDisk): string[] {
  return parallel === 1 ? [] : ['--connections', String(parallel + 1)]
}

async function startNbdfuse(
  files: DiskFiles,
  options: EmulatedDiskOptions,
  prefix: string[],
): Promise<void> {
  await mkdir(files.fuse, { recursive: true })
  const log = await open(files.nbdfuseLog, 'w', 0o600)
  try {
    const words = [...connections(options), files.exported, '--unix', files.socket]
    const [file = '', ...args] = [...prefix, 'nbdfuse', ...words]
    const { pid, ended } = await startDetached({
      name: 'nbdfuse',
      file,
      args,
      cwd: files.directory,
      output: log.fd,
    })
    let ending: string | undefined
    ended.then((how) => {
      ending = how
    })
    const daemon = await identifyDaemon(options.procRoot, pid).catch(() => undefined)
    if (daemon) await options.started('nbdfuse', daemon)
    await until('nbdfuse to mount its file', async () => {
      if (ending) throw new KvmioError(`nbdfuse ${ending}${await lastLines(files.nbdfuseLog)}`)
      const mounts = await readMounts(options.procRoot)
      return mounts.find(({ mountPoint }) => mountPoint === files.fuse)
    })
  } finally {
    await log.close()
  }
}

async function readPid(file: string): Promise<number | undefined> {
  try {
    return Number((await readFile(file, 'utf8')).trim()) || undefined
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

async function lastLines(file: string): Promise<string> {
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line.trim() !== '')
  return lines.length === 0 ? '' : `:\n  ${lines.slice(-8).join('\n  ')}`
}

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + START_MS
  for (;;) {
    const seen = await look()
    if (seen !== undefined) return seen
    if (Date.now() > deadline) {
      throw new DeadlineError(`waited ${START_MS / 1000} s for ${what}`)
    }
    await sleep(POLL_MS)
  }
}
