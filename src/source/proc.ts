// Reads /proc: https://docs.kernel.org/filesystems/proc.html, proc(5)
import { join } from 'node:path'
import { codeOf, ParseError } from '../lib/errors.ts'
import { pollKernelText, readKernelText } from './kernel-text.ts'
import { wholeNumber } from './whole-number.ts'

/** /proc/PID/io: what a process caused, in bytes. */
export interface ProcIo {
  /** Fetched from storage. */
  readBytes: number
  /** Sent to storage; host-cached writes count when they dirty a page. */
  writtenBytes: number
  /** Dirtied, then truncated before it was written. */
  cancelledBytes: number
}

/** Needs the right to trace the process. */
export async function readProcIo(procRoot: string, pid: number): Promise<ProcIo> {
  const file = join(procRoot, String(pid), 'io')
  return parseProcIo(await pollKernelText(file), file)
}

export function parseProcIo(text: string, file = '/proc/PID/io'): ProcIo {
  const value = (key: string): number => {
    const { raw, line } = entry(text, key, file)
    return wholeNumber(raw, key, file, line)
  }
  return {
    readBytes: value('read_bytes'),
    writtenBytes: value('write_bytes'),
    cancelledBytes: value('cancelled_write_bytes'),
  }
}

/** /proc/PID/stat. */
export interface ProcStat {
  /** R, S, D, Z… */
  state: string
  ppid: number
  /** Page faults that waited for a disk. */
  majorFaults: number
  threads: number
  /** User and system time of all its threads. */
  cpuSeconds: number
  /** When it began, in 1/100 s since the host's boot: with the pid, what tells it from a later process. */
  startTicks: number
}

/** The state of a process. */
export async function readProcStat(procRoot: string, pid: number): Promise<ProcStat> {
  const file = join(procRoot, String(pid), 'stat')
  return parseProcStat(await readKernelText(file), file)
}

/** The same for who asks again and again. */
export async function pollProcStat(procRoot: string, pid: number): Promise<ProcStat> {
  const file = join(procRoot, String(pid), 'stat')
  return parseProcStat(await pollKernelText(file), file)
}

export function parseProcStat(text: string, file = '/proc/PID/stat'): ProcStat {
  // The second field is the name in parentheses, and the name may hold spaces and parentheses itself.
  const fields = text
    .slice(text.lastIndexOf(')') + 1)
    .trim()
    .split(/\s+/)
  const value = (column: number, what: string): number => {
    const raw = fields[column - 3] ?? 'nothing'
    return wholeNumber(raw, `field ${column} (${what})`, file, 1)
  }
  const state = fields[0] ?? ''
  if (!text.includes(')') || !/^[A-Za-z]$/.test(state)) {
    const found = JSON.stringify(text.slice(0, 80))
    throw new ParseError(file, 1, `expected PID (NAME) STATE and numbers, got ${found}`)
  }
  return {
    state,
    ppid: value(4, 'parent'),
    majorFaults: value(12, 'major faults'),
    threads: value(20, 'threads'),
    cpuSeconds: (value(14, 'user time') + value(15, 'system time')) / TICKS_PER_SECOND,
    startTicks: value(22, 'start time'),
  }
}

/** Whether the process that had this pid and start time is still alive; a zombie is not. */
export async function isSameProcess(
  procRoot: string,
  pid: number,
  startTicks: number,
): Promise<boolean> {
  try {
    const stat = await readProcStat(procRoot, pid)
    return stat.startTicks === startTicks && !'ZXx'.includes(stat.state)
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(codeOf(error) ?? '')) return false
    throw error
  }
}

/** /proc/PID/status. */
export interface ProcStatus {
  name: string
  /** Real, effective, saved and filesystem user. */
  uid: number[]
  gid: number[]
  /**
   * Absent for a zombie and a kernel thread. As exact as in smaps_rollup (6.18: 9955 pages in both), where the rss of
   * /proc/PID/stat leaves out what each processor has not handed in yet (9930), and is cheaper to read by 4 µs.
   */
  residentBytes?: number
}

/** Whom a process runs as. */
export async function readProcStatus(procRoot: string, pid: number): Promise<ProcStatus> {
  const file = join(procRoot, String(pid), 'status')
  return parseProcStatus(await readKernelText(file), file)
}

/** Its resident memory alone, for who asks again and again. */
export async function pollResidentBytes(
  procRoot: string,
  pid: number,
): Promise<number | undefined> {
  const file = join(procRoot, String(pid), 'status')
  return parseResidentBytes(await pollKernelText(file), file)
}

export function parseProcStatus(text: string, file = '/proc/PID/status'): ProcStatus {
  const ids = (key: string): number[] => {
    const { raw, line } = entry(text, key, file)
    return raw.split(/\s+/).map((id) => wholeNumber(id, key, file, line))
  }
  const status: ProcStatus = {
    name: entry(text, 'Name', file).raw,
    uid: ids('Uid'),
    gid: ids('Gid'),
  }
  const residentBytes = parseResidentBytes(text, file)
  return residentBytes === undefined ? status : { ...status, residentBytes }
}

function parseResidentBytes(text: string, file: string): number | undefined {
  return text.includes('\nVmRSS:') ? kilobytes(text, 'VmRSS', file) : undefined
}

/** /proc/meminfo, in bytes. */
export interface Meminfo {
  totalBytes: number
  /** Kernel 3.14 and newer. */
  availableBytes?: number
  /** In the page cache, not yet on its way to a device. */
  dirtyBytes: number
  /** On its way to a device. */
  writebackBytes: number
}

/** The host's memory. */
export async function readMeminfo(procRoot: string): Promise<Meminfo> {
  const file = join(procRoot, 'meminfo')
  return parseMeminfo(await pollKernelText(file), file)
}

export function parseMeminfo(text: string, file = '/proc/meminfo'): Meminfo {
  const hasAvailable = /^MemAvailable:/m.test(text)
  return {
    totalBytes: kilobytes(text, 'MemTotal', file),
    ...(hasAvailable ? { availableBytes: kilobytes(text, 'MemAvailable', file) } : {}),
    dirtyBytes: kilobytes(text, 'Dirty', file),
    writebackBytes: kilobytes(text, 'Writeback', file),
  }
}

/** The cpu lines of /proc/stat. */
export interface HostCpu {
  /** Processors that are online. */
  cpus: number
  /** Of all processors since boot: user, nice, system, idle, iowait, irq, softirq, steal. */
  secondsByMode: Record<string, number>
}

/** How often the page cache was emptied by hand since the host booted; undefined where the kernel does not count it. */
export async function readCacheDrops(procRoot: string): Promise<number | undefined> {
  const file = join(procRoot, 'vmstat')
  return parseCacheDrops(await pollKernelText(file), file)
}

/** drop_pagecache of /proc/vmstat: writes of 1 and 3 to /proc/sys/vm/drop_caches (fs/drop_caches.c). */
export function parseCacheDrops(text: string, file = '/proc/vmstat'): number | undefined {
  const lines = text.split('\n')
  const at = lines.findIndex((line) => line.startsWith('drop_pagecache '))
  if (at === -1) return undefined
  return wholeNumber(lines[at]!.split(' ')[1] ?? '', 'drop_pagecache', file, at + 1)
}

/** The host's processors. */
export async function readHostCpu(procRoot: string): Promise<HostCpu> {
  const file = join(procRoot, 'stat')
  return parseHostCpu(await pollKernelText(file), file)
}

export function parseHostCpu(text: string, file = '/proc/stat'): HostCpu {
  const lines = text.split('\n')
  const at = lines.findIndex((line) => /^cpu\s/.test(line))
  if (at === -1) throw new ParseError(file, lines.length, 'expected a line "cpu ...", found none')
  const columns = lines[at]!.trim().split(/\s+/).slice(1)
  const seconds = columns.slice(0, MODES.length).map((raw, index) => {
    const mode = MODES[index]!
    return [mode, wholeNumber(raw, `field ${index + 2} (${mode})`, file, at + 1) / TICKS_PER_SECOND]
  })
  const cpus = lines.filter((line) => /^cpu\d+\s/.test(line)).length
  return { cpus, secondsByMode: Object.fromEntries(seconds) }
}

// USER_HZ, which is 100 on each architecture that Node runs on, whatever the kernel's own HZ is.
const TICKS_PER_SECOND = 100
// guest and guest_nice follow; they are left out, since user and nice have them already.
const MODES = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal']

function kilobytes(text: string, key: string, file: string): number {
  const { raw, line } = entry(text, key, file)
  return 1024 * wholeNumber(raw.replace(/ kB$/, ''), key, file, line)
}

/** Found without taking the text to pieces: a scrape asks for three of each vm's /proc/PID/io alone. */
function entry(text: string, key: string, file: string): { raw: string; line: number } {
  const start = text.startsWith(`${key}:`) ? 0 : text.indexOf(`\n${key}:`) + 1
  const line = newlines(text, start) + 1
  if (start === 0 && !text.startsWith(`${key}:`)) {
    const last = newlines(text, text.length) + 1
    throw new ParseError(file, last, `expected a line "${key}: ...", found none`)
  }
  const end = text.indexOf('\n', start)
  const raw = text.slice(start + key.length + 1, end === -1 ? text.length : end).trim()
  return { raw, line }
}

/** How many come before this place. */
function newlines(text: string, before: number): number {
  let count = 0
  for (let at = text.indexOf('\n'); at !== -1 && at < before; at = text.indexOf('\n', at + 1))
    count++
  return count
}
