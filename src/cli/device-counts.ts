import type { Sampler } from '../sampler/sampler.ts'
import { type Diskstat, SECTOR_BYTES } from '../source/diskstats.ts'
import type { DeviceCounts } from '../study/device-counts.ts'

/** A line of /proc/diskstats as a study counts. */
export function deviceCounts(stat: Diskstat): DeviceCounts {
  const { device, major, minor, discards, flushes } = stat
  return {
    device,
    number: `${major}:${minor}`,
    reads: stat.readsCompleted,
    readBytes: stat.readSectors * SECTOR_BYTES,
    writes: stat.writesCompleted,
    writtenBytes: stat.writtenSectors * SECTOR_BYTES,
    ...(flushes && { flushes: flushes.completed }),
    ...(discards && {
      discards: discards.completed,
      discardedBytes: discards.sectors * SECTOR_BYTES,
    }),
    operationSeconds: (stat.readMs + stat.writeMs + (discards?.ms ?? 0)) / 1000,
    queueSeconds: stat.ioWeightedMs / 1000,
  }
}

/** By device, the reads and writes that no vm accounts for. */
export function unattributed(sampler: Sampler): ReadonlyMap<string, number> {
  const entries = [...sampler.unattributed].map(
    ([device, { readsCompleted, writesCompleted }]) =>
      [device, readsCompleted + writesCompleted] as const,
  )
  return new Map(entries)
}
