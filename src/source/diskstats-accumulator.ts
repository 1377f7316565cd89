import type { Diskstat } from './diskstats.ts'

/** What a device has counted since it was first looked at, over wraps and resets. */
export interface DiskTotal {
  /** The line as it was last read. */
  seen: Diskstat
  /** The same counters, never falling; ioNow is the present one. Exact up to 2^53. */
  total: Diskstat
}

/**
 * Takes the next line of a device into its totals. All times of /proc/diskstats have 32 bits even on 64-bit kernels
 * (`unsigned int`, block/genhd.c: diskstats_show; that with requests in flight by jiffies_to_msecs()): 37 hours at a mean
 * queue of 32. One that fell has wrapped when it went on by less than 2^31 ms, which is far more than it does from one
 * reading to the next. Any other fall, or another device number, means a new device under the old name: all start again
 * at 0. Counts have the kernel's word, and those of a 32-bit kernel wrap as times do, which is taken for a reset.
 */
export function accumulateDiskstat(before: DiskTotal | undefined, stat: Diskstat): DiskTotal {
  if (!before) return { seen: stat, total: stat }
  const { seen, total } = before
  const zero = isReset(seen, stat)
  const sum = (read: (stat: Diskstat) => number | undefined): number => {
    const [old, now] = [zero ? 0 : (read(seen) ?? 0), read(stat) ?? 0]
    return (read(total) ?? 0) + now - old + (now < old ? WRAP : 0)
  }
  const next: Diskstat = {
    device: stat.device,
    major: stat.major,
    minor: stat.minor,
    readsCompleted: sum((s) => s.readsCompleted),
    readsMerged: sum((s) => s.readsMerged),
    readSectors: sum((s) => s.readSectors),
    readMs: sum((s) => s.readMs),
    writesCompleted: sum((s) => s.writesCompleted),
    writesMerged: sum((s) => s.writesMerged),
    writtenSectors: sum((s) => s.writtenSectors),
    writeMs: sum((s) => s.writeMs),
    ioNow: stat.ioNow,
    ioMs: sum((s) => s.ioMs),
    ioWeightedMs: sum((s) => s.ioWeightedMs),
  }
  if (stat.discards) {
    next.discards = {
      completed: sum((s) => s.discards?.completed),
      merged: sum((s) => s.discards?.merged),
      sectors: sum((s) => s.discards?.sectors),
      ms: sum((s) => s.discards?.ms),
    }
  }
  if (stat.flushes) {
    next.flushes = {
      completed: sum((s) => s.flushes?.completed),
      ms: sum((s) => s.flushes?.ms),
    }
  }
  return { seen: stat, total: next }
}

const WRAP = 2 ** 32

/** Counts and sectors are `unsigned long`: on a 64-bit kernel they fall only when they start again. */
const COUNTS: readonly ((stat: Diskstat) => number | undefined)[] = [
  (s) => s.readsCompleted,
  (s) => s.readsMerged,
  (s) => s.readSectors,
  (s) => s.writesCompleted,
  (s) => s.writesMerged,
  (s) => s.writtenSectors,
  (s) => s.discards?.completed,
  (s) => s.discards?.merged,
  (s) => s.discards?.sectors,
  (s) => s.flushes?.completed,
]

const TIMES: readonly ((stat: Diskstat) => number | undefined)[] = [
  (s) => s.readMs,
  (s) => s.writeMs,
  (s) => s.ioMs,
  (s) => s.ioWeightedMs,
  (s) => s.discards?.ms,
  (s) => s.flushes?.ms,
]

function isReset(seen: Diskstat, stat: Diskstat): boolean {
  if (seen.major !== stat.major || seen.minor !== stat.minor) return true
  const fall = (read: (stat: Diskstat) => number | undefined) =>
    (read(seen) ?? 0) - (read(stat) ?? 0)
  return (
    COUNTS.some((read) => fall(read) > 0) ||
    TIMES.some((read) => fall(read) > 0 && fall(read) <= WRAP / 2)
  )
}
