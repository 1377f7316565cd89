// Reads llite/FSNAME-ID/stats, where the Lustre client counts what it was asked for: lustre/llite/lproc_llite.c,
// https://doc.lustre.org/lustre_manual.xhtml#lustreproc.clientstats. In debugfs since 2.12, in /proc before.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, ParseError } from '../lib/errors.ts'
import type { ClientIo } from './client-io.ts'
import { wholeNumber } from './whole-number.ts'

export interface LliteRoots {
  procRoot: string
  sysRoot: string
}

/**
 * The statistics of a mounted Lustre, MGS:/FSNAME; undefined where they are not there. A filesystem that is mounted twice
 * has two, and nothing tells whose they are.
 */
export async function readLlite(source: string, roots: LliteRoots): Promise<ClientIo | undefined> {
  const name = /:\/([^/]+)/.exec(source)?.[1]
  if (name === undefined) return undefined
  const folders = ['kernel/debug/lustre/llite', 'fs/lustre/llite'] as const
  for (const folder of [join(roots.sysRoot, folders[0]), join(roots.procRoot, folders[1])]) {
    const found = (await list(folder)).filter((entry) => isOf(entry, name))
    if (found.length === 0) continue
    if (found.length > 1) return undefined
    const file = join(folder, found[0]!, 'stats')
    return parseLlite(await readFile(file, 'utf8'), file)
  }
  return undefined
}

export function parseLlite(text: string, file = 'llite/stats'): ClientIo {
  const io: ClientIo = {}
  for (const [index, row] of text.split('\n').entries()) {
    Object.assign(io, parseRow(row.trim(), file, index + 1))
  }
  return io
}

/** NAME COUNT samples [UNIT] MIN MAX SUM [SUMSQ]; without the last four where only calls are counted. */
function parseRow(row: string, file: string, line: number): ClientIo {
  const [name = '', ...rest] = row.split(/\s+/)
  if (!['read_bytes', 'write_bytes', 'read', 'write', 'fsync'].includes(name)) return {}
  const [samples, word, unit] = rest
  if (samples === undefined || word !== 'samples' || unit === undefined) {
    const got = JSON.stringify(row.slice(0, 80))
    throw new ParseError(file, line, `expected ${name}, a count, "samples" and a unit, got ${got}`)
  }
  const count = wholeNumber(samples, `${name} samples`, file, line)
  const sum = rest[5] === undefined ? undefined : wholeNumber(rest[5], `${name} sum`, file, line)
  const seconds = unit === '[usec]' && sum !== undefined ? sum / 1e6 : undefined
  switch (name) {
    case 'read_bytes':
      return { readsCompleted: count, ...(sum === undefined ? {} : { readBytes: sum }) }
    case 'write_bytes':
      return { writesCompleted: count, ...(sum === undefined ? {} : { writtenBytes: sum }) }
    case 'read':
      return seconds === undefined ? {} : { readSeconds: seconds }
    case 'write':
      return seconds === undefined ? {} : { writeSeconds: seconds }
    default:
      return { flushes: count, ...(seconds === undefined ? {} : { flushSeconds: seconds }) }
  }
}

/** FSNAME-ffff8804abcdef00. */
function isOf(entry: string, name: string): boolean {
  return entry.startsWith(`${name}-`) && /^[0-9a-f]+$/.test(entry.slice(name.length + 1))
}

async function list(directory: string): Promise<string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    if (codeOf(error) !== undefined) return [] // not here, or not for this user
    throw error
  }
}
