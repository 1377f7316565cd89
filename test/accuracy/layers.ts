// One load at each layer: what fio or dd issued, what the guest's kernel counted, what qemu did.
import type { Page } from '../e2e/kvmio.ts'
import type { Pair } from './figures.ts'
import type { Issued, Load } from './guest-load.ts'

/** The counters of one layer that a load moved. */
export type Gained = Issued

type Labels = Record<string, string>

/** Reads the difference of two pages. */
export function gainer(before: Page, after: Page) {
  return (metric: string, labels: Labels): number =>
    (after.value(metric, labels) ?? 0) - (before.value(metric, labels) ?? 0)
}

/**
 * What the guest's block layer was asked for: it counts merged operations beside completed ones, and a flush without data
 * as a write beside itself (block/blk-flush.c ends the empty write that asked for it).
 */
export function guestGained(before: Page, after: Page, labels: Labels): Gained {
  const gained = gainer(before, after)
  const disk = (suffix: string) => gained(`kvmio_guest_disk_${suffix}`, labels)
  const flushes = disk('flush_requests_total')
  return {
    reads: disk('reads_completed_total') + disk('reads_merged_total'),
    readBytes: disk('read_bytes_total'),
    writes: disk('writes_completed_total') + disk('writes_merged_total') - flushes,
    writtenBytes: disk('written_bytes_total'),
    flushes,
  }
}

/** What reached qemu of it: operations that the guest merged come as one. */
export function guestSent(before: Page, after: Page, labels: Labels): Gained {
  const gained = gainer(before, after)
  const all = guestGained(before, after, labels)
  return {
    ...all,
    reads: all.reads - gained('kvmio_guest_disk_reads_merged_total', labels),
    writes: all.writes - gained('kvmio_guest_disk_writes_merged_total', labels),
  }
}

export function driveGained(before: Page, after: Page, labels: Labels): Gained {
  const gained = gainer(before, after)
  const drive = (suffix: string) => gained(`kvmio_drive_${suffix}`, labels)
  return {
    reads: drive('reads_completed_total'),
    readBytes: drive('read_bytes_total'),
    writes: drive('writes_completed_total'),
    writtenBytes: drive('written_bytes_total'),
    flushes: drive('flush_requests_total'),
  }
}

/** What a load issued: known beforehand, or from fio's JSON (`total_ios` of each direction and of fsync). */
export function issuedBy(load: Load, result: (name: string) => string): Issued {
  if (load.issues) return load.issues
  const { jobs } = JSON.parse(result(load.name)) as { jobs: FioJob[] }
  const sum = (value: (job: FioJob) => number) => jobs.reduce((all, job) => all + value(job), 0)
  const odd = sum(
    ({ read, write }) => read.short_ios + read.drop_ios + write.short_ios + write.drop_ios,
  )
  if (odd !== 0) throw new Error(`fio ${load.name}: ${odd} operations were short or dropped`)
  return {
    reads: sum(({ read }) => read.total_ios),
    readBytes: sum(({ read }) => read.io_bytes),
    writes: sum(({ write }) => write.total_ios),
    writtenBytes: sum(({ write }) => write.io_bytes),
    flushes: sum(({ sync }) => sync.total_ios),
  }
}

interface FioJob {
  read: FioDirection
  write: FioDirection
  sync: { total_ios: number }
}

interface FioDirection {
  total_ios: number
  io_bytes: number
  short_ios: number
  drop_ios: number
}

/** Count by count. */
export function pairsOf(
  of: string,
  expected: Gained,
  found: Gained,
  keys: readonly (keyof Gained)[] = ['reads', 'readBytes', 'writes', 'writtenBytes', 'flushes'],
): Pair[] {
  return keys.map((key) => ({ of: `${of} ${key}`, expected: expected[key], found: found[key] }))
}

/**
 * Each histogram of a drive against its operations and their exact time. Failed ones are in it, and in the time, but among
 * the completed ones they are not (qemu's block/accounting.c: block_account_one_io, account-failed is on by default).
 */
export function histogramPairs(page: Page, labels: Labels): { counts: Pair[]; sums: Pair[] } {
  const counts: Pair[] = []
  const sums: Pair[] = []
  for (const [operation, count, time] of HISTOGRAMS) {
    const histogram = `kvmio_drive_${operation}_latency_seconds`
    const inHistogram = page.value(`${histogram}_count`, labels)
    if (inHistogram === undefined) continue
    const value = (metric: string, more: Labels = {}) =>
      page.value(`kvmio_drive_${metric}`, { ...labels, ...more }) ?? Number.NaN
    const all = value(count) + value('failed_operations_total', { operation })
    counts.push({ of: `${labels.vm} ${operation}`, expected: all, found: inHistogram })
    const sum = page.value(`${histogram}_sum`, labels) ?? Number.NaN
    sums.push({ of: `${labels.vm} ${operation}`, expected: value(time), found: sum })
  }
  return { counts, sums }
}

const HISTOGRAMS = [
  ['read', 'reads_completed_total', 'read_time_seconds_total'],
  ['write', 'writes_completed_total', 'write_time_seconds_total'],
  ['flush', 'flush_requests_total', 'flush_requests_time_seconds_total'],
] as const
