import type { IoKey } from '../metrics/catalog.ts'
import type { Family, Sample } from '../metrics/family.ts'
import { sample } from '../metrics/family.ts'
import { type DiskFields, SECTOR_BYTES } from '../source/diskstats.ts'

/** The statistics of one disk, a guest's or the host's, in base units; fields that its kernel does not give are absent. */
export function diskSamples<L extends string>(
  families: Record<IoKey, Family<L>>,
  labels: Readonly<Record<NoInfer<L>, string>>,
  stat: DiskFields,
): Sample[] {
  const values: [IoKey, number | undefined][] = [
    ['readsCompleted', stat.readsCompleted],
    ['readsMerged', stat.readsMerged],
    ['readBytes', stat.readSectors * SECTOR_BYTES],
    ['readSeconds', stat.readMs / 1000],
    ['writesCompleted', stat.writesCompleted],
    ['writesMerged', stat.writesMerged],
    ['writtenBytes', stat.writtenSectors * SECTOR_BYTES],
    ['writeSeconds', stat.writeMs / 1000],
    ['discardsCompleted', stat.discards?.completed],
    ['discardsMerged', stat.discards?.merged],
    ['discardedBytes', stat.discards && stat.discards.sectors * SECTOR_BYTES],
    ['discardSeconds', stat.discards && stat.discards.ms / 1000],
    ['flushes', stat.flushes?.completed],
    ['flushSeconds', stat.flushes && stat.flushes.ms / 1000],
    ['ioNow', stat.ioNow],
    ['ioSeconds', stat.ioMs / 1000],
    ['ioWeightedSeconds', stat.ioWeightedMs / 1000],
  ]
  return values.flatMap(([key, value]) =>
    value === undefined ? [] : [sample(families[key], labels, value)],
  )
}
