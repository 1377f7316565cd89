// Reads /proc/diskstats: https://docs.kernel.org/admin-guide/iostats.html
import { join } from 'node:path'
import { ParseError } from '../lib/errors.ts'
import { pollKernelText } from './kernel-text.ts'
import { wholeNumber } from './whole-number.ts'

/** A sector of /proc/diskstats, whatever the device's own block size is. */
export const SECTOR_BYTES = 512

/** One line of /proc/diskstats, in the kernel's own units: counts, sectors of 512 bytes, milliseconds. */
export interface Diskstat {
  device: string
  major: number
  minor: number
  readsCompleted: number
  readsMerged: number
  readSectors: number
  /** Summed over requests, like all times but ioMs; wraps at 2^32. */
  readMs: number
  writesCompleted: number
  writesMerged: number
  writtenSectors: number
  writeMs: number
  /** Requests in flight now: the only field that is no counter. */
  ioNow: number
  /** Time with at least one request in flight. */
  ioMs: number
  ioWeightedMs: number
  /** Kernel 4.19 and newer. */
  discards?: { completed: number; merged: number; sectors: number; ms: number }
  /** Kernel 5.5 and newer; whole disks only, a partition has zeros. */
  flushes?: { completed: number; ms: number }
}

/** What follows the name on a line. */
export type DiskFields = Omit<Diskstat, 'device' | 'major' | 'minor'>

/** Reads the counters of all block devices of the host. */
export async function readDiskstats(procRoot: string): Promise<Diskstat[]> {
  const file = join(procRoot, 'diskstats')
  return parseDiskstats(await pollKernelText(file), file)
}

/**
 * The lines of /proc/diskstats. Which fields are there is told by their count, never by a version: 14 columns before
 * kernel 4.19, 18 before 5.5, 20 since; more are ignored. Lines of 7 columns are left out: partitions before kernel
 * 2.6.25, which have neither times nor merges, and their disk counts the same requests in full.
 */
export function parseDiskstats(text: string, file = '/proc/diskstats'): Diskstat[] {
  return text.split('\n').flatMap((row, index) => parseRow(row, file, index + 1))
}

/** Only the statistics that follow the name, as a guest sends them; fields are numbered as in the kernel's document. */
export function parseDiskFields(fields: string, file = 'disk statistics'): DiskFields {
  return parseStatistics(columnsOf(fields), 0, file, 1)
}

const FIELDS = [
  ...['reads completed', 'reads merged', 'sectors read', 'ms reading'],
  ...['writes completed', 'writes merged', 'sectors written', 'ms writing'],
  ...['requests in flight', 'ms doing I/O', 'weighted ms doing I/O'],
  ...['discards completed', 'discards merged', 'sectors discarded', 'ms discarding'],
  ...['flushes completed', 'ms flushing'],
]
const NAMED_COLUMNS = 3 // major, minor, name

function parseRow(row: string, file: string, line: number): Diskstat[] {
  const columns = columnsOf(row)
  if (columns.length === 0 || columns.length === NAMED_COLUMNS + 4) return []
  const statistics = parseStatistics(columns, NAMED_COLUMNS, file, line)
  const major = wholeNumber(columns[0]!, 'field 1 (major number)', file, line)
  const minor = wholeNumber(columns[1]!, 'field 2 (minor number)', file, line)
  return [{ device: columns[2]!, major, minor, ...statistics }]
}

function parseStatistics(columns: string[], skip: number, file: string, line: number): DiskFields {
  const count = columns.length - skip
  // In between is a line that was cut short, and a cut counter would read as a reset.
  if (count !== 11 && count !== 15 && count < 17) {
    const expected = `${skip + 11}, ${skip + 15}, ${skip + 17} or more fields`
    throw new ParseError(file, line, `expected ${expected}, found ${columns.length}`)
  }
  const field = (index: number): number => {
    const at = skip + index
    return wholeNumber(columns[at]!, `field ${at + 1} (${FIELDS[index]})`, file, line)
  }
  const fields: DiskFields = {
    readsCompleted: field(0),
    readsMerged: field(1),
    readSectors: field(2),
    readMs: field(3),
    writesCompleted: field(4),
    writesMerged: field(5),
    writtenSectors: field(6),
    writeMs: field(7),
    ioNow: field(8),
    ioMs: field(9),
    ioWeightedMs: field(10),
  }
  if (count >= 15) {
    fields.discards = { completed: field(11), merged: field(12), sectors: field(13), ms: field(14) }
  }
  if (count >= 17) fields.flushes = { completed: field(15), ms: field(16) }
  return fields
}

function columnsOf(row: string): string[] {
  return row.split(/\s+/).filter((column) => column !== '')
}
