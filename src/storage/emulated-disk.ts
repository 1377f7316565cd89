// A disk that serves one request at a time and takes the same time for each: nbdkit delays, nbdfuse makes a file of it.
// https://libguestfs.org/nbdkit-delay-filter.1.html, https://libguestfs.org/nbdfuse.1.html
import { mkdir, open, readFile, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf, DeadlineError, KvmioError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { run, startDetached } from '../lib/process.ts'
import { readMounts } from '../source/mounts.ts'
import { type Daemon, identifyDaemon } from './daemon.ts'
import type { DiskFiles } from './disk-record.ts'

/**
 * Keeps a block request in one piece, so that one transaction is one service. FUSE hands on 256 pages at most: under a
 * loop device a read of 1280 KiB became 1024 + 256 KiB at nbdkit (kernel 6.18, libfuse 3.14). Half of it also holds
 * for buffers that do not begin at a page.
 */
export const MAX_REQUEST_KB = 512

const START_MS = 10_000
const POLL_MS = 10
const MAX_SOCKET_PATH = 107 // sun_path, unix(7)

export interface EmulatedDiskOptions {
  procRoot: string
  log: Log
  /** Whole milliseconds: nbdkit takes 2.5 for 2. */
  serviceMs: number
  /** Called as soon as a daemon runs, before anything waits for it. */
  started(program: 'nbdkit' | 'nbdfuse', daemon: Daemon): Promise<void>
}

/** Puts an emulated disk over the tier's loop file; it goes on when kvmio is killed. */
export async function startEmulatedDisk(
  files: DiskFiles,
  options: EmulatedDiskOptions,
): Promise<void> {
  const prefix = await realTimePrefix(options.log)
  await options.started('nbdkit', await startNbdkit(files, options, prefix))
  await startNbdfuse(files, options, prefix)
}

/** Why the socket cannot be where it should. */
export function socketPathProblem({ socket }: DiskFiles): string | undefined {
  const length = Buffer.byteLength(socket)
  if (length <= MAX_SOCKET_PATH) return undefined
  return `the path of its socket has ${length} bytes, and a unix socket takes ${MAX_SOCKET_PATH}; choose a shorter state directory: ${socket}`
}

/**
 * Makes the daemons run as soon as they have something to do. Beside guests that keep all processors busy, a disk of
 * 10 ms served 78 to 91 random writes/s at depth 8, with nice -20 90 to 95, and with SCHED_RR 98, as on an idle host.
 */
async function realTimePrefix(log: Log): Promise<string[]> {
  const prefix = ['chrt', '--rr', '1']
  try {
    await run('chrt', ['--rr', '1', 'true'])
    return prefix
  } catch (error) {
    log.warn(
      { err: error },
      'emulated disks cannot have real-time priority; a busy host slows them',
    )
    return []
  }
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
  const delay = `${options.serviceMs}ms`
  const args = [
    [...prefix, 'nbdkit', '--unix', files.socket, '--pidfile', files.nbdkitPid],
    ['--filter=noparallel', '--filter=delay', 'file', `file=${files.image}`],
    [`rdelay=${delay}`, `wdelay=${delay}`, 'serialize=all-requests'],
  ].flat()
  await run('setsid', args, { name: 'nbdkit', timeoutMs: START_MS })
  const pid = await until('nbdkit to write its pid', () => readPid(files.nbdkitPid))
  return await identifyDaemon(options.procRoot, pid)
}

async function startNbdfuse(
  files: DiskFiles,
  options: EmulatedDiskOptions,
  prefix: string[],
): Promise<void> {
  await mkdir(files.fuse, { recursive: true })
  const log = await open(files.nbdfuseLog, 'w', 0o600)
  try {
    const [file = '', ...args] = [...prefix, 'nbdfuse', files.exported, '--unix', files.socket]
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
