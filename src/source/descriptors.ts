// Reads /proc/PID/fd and /proc/PID/limits: proc_pid_fd(5), proc_pid_limits(5)
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ParseError } from '../lib/errors.ts'
import { wholeNumber } from './whole-number.ts'

/** What a process has open, and may have. */
export interface Descriptors {
  open: number
  /** The soft limit; absent when there is none. */
  limit?: number
}

/** Needs the right to trace the process. */
export async function readDescriptors(procRoot: string, pid: number): Promise<Descriptors> {
  const file = join(procRoot, String(pid), 'limits')
  const [open, limits] = await Promise.all([
    readdir(join(procRoot, String(pid), 'fd')),
    readFile(file, 'utf8'),
  ])
  return { open: open.length, limit: parseDescriptorLimit(limits, file) }
}

/** Undefined when it is unlimited. */
export function parseDescriptorLimit(text: string, file = '/proc/PID/limits'): number | undefined {
  const lines = text.split('\n')
  const at = lines.findIndex((line) => line.startsWith('Max open files'))
  if (at === -1)
    throw new ParseError(file, lines.length, 'expected a line "Max open files ...", found none')
  const soft = lines[at]!.slice('Max open files'.length).trim().split(/\s+/)[0]!
  return soft === 'unlimited'
    ? undefined
    : wholeNumber(soft, 'Max open files (soft limit)', file, at + 1)
}
