import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf } from '../lib/errors.ts'
import { isSameProcess, readProcStat } from '../source/proc.ts'

/** A process that outlives kvmio; pids come back, their start times do not. */
export interface Daemon {
  pid: number
  /** In 1/100 s since the host's boot. */
  startTicks: number
}

const POLL_MS = 20

/** The daemon that has this pid now. */
export async function identifyDaemon(procRoot: string, pid: number): Promise<Daemon> {
  const { startTicks } = await readProcStat(procRoot, pid)
  return { pid, startTicks }
}

/** The processes of a program that have this word on their command line: found even when no record names them. */
export async function findDaemons(
  procRoot: string,
  program: string,
  word: string,
): Promise<Daemon[]> {
  const pids = (await readdir(procRoot)).filter((name) => /^\d+$/.test(name)).map(Number)
  const found = pids.map(async (pid): Promise<Daemon[]> => {
    try {
      const text = await readFile(join(procRoot, String(pid), 'cmdline'), 'utf8')
      const [file = '', ...words] = text.split('\0')
      if (basename(file) !== program || !words.includes(word)) return []
      return [await identifyDaemon(procRoot, pid)]
    } catch (error) {
      if (['ENOENT', 'ESRCH'].includes(codeOf(error) ?? '')) return [] // ended meanwhile
      throw error
    }
  })
  return (await Promise.all(found)).flat()
}

/** Whether it lives still. */
export function isAlive(procRoot: string, { pid, startTicks }: Daemon): Promise<boolean> {
  return isSameProcess(procRoot, pid, startTicks)
}

/** Sends SIGTERM, and SIGKILL when it does not end in time; false when it outlives even that. */
export async function endDaemon(
  procRoot: string,
  daemon: Daemon,
  graceMs: number,
): Promise<boolean> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    await signalDaemon(procRoot, daemon, signal)
    if (await hasEnded(procRoot, daemon, graceMs)) return true
  }
  return false
}

/** Sends a signal, if it is still the same process. */
export async function signalDaemon(
  procRoot: string,
  daemon: Daemon,
  signal: NodeJS.Signals,
): Promise<void> {
  if (!(await isAlive(procRoot, daemon))) return
  try {
    process.kill(daemon.pid, signal)
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error
  }
}

async function hasEnded(procRoot: string, daemon: Daemon, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs
  while (await isAlive(procRoot, daemon)) {
    if (Date.now() > deadline) return false
    await sleep(POLL_MS)
  }
  return true
}
