import type { Drive } from '../attribution/records.ts'
import * as m from '../metrics/catalog.ts'
import type { Distribution, Sample } from '../metrics/family.ts'
import { sample, sampleIfGiven } from '../metrics/family.ts'
import type { DriveStats, OperationStats, StorageStats } from '../source/blockstats.ts'

const NS = 1e9

type Labels = Readonly<Record<'vm' | 'drive', string>>

/** What one drive did, as qemu counts it. */
export function driveSamples(vm: string, { name, bus }: Drive, stats: DriveStats): Sample[] {
  const { read, write, flush, unmap, zoneAppend, accountsFailed, storage } = stats
  // qemu's nvme flushes without counting it (hw/nvme/ctrl.c; 7.2: 200 flushes reached the device, 0 were counted).
  const isFlushCounted = bus !== 'nvme' || flush.operations > 0
  const labels = { vm, drive: name }
  const latency = (operation: OperationStats) =>
    accountsFailed ? distribution(operation) : undefined
  return [
    sample(m.drive.readsCompleted, labels, read.operations),
    ...sampleIfGiven(m.drive.readsMerged, labels, read.merged),
    ...sampleIfGiven(m.drive.readBytes, labels, read.bytes),
    sample(m.drive.readSeconds, labels, read.nanoseconds / NS),
    sample(m.drive.writesCompleted, labels, write.operations),
    ...sampleIfGiven(m.drive.writesMerged, labels, write.merged),
    ...sampleIfGiven(m.drive.writtenBytes, labels, write.bytes),
    sample(m.drive.writeSeconds, labels, write.nanoseconds / NS),
    ...(unmap ? discardSamples(labels, unmap) : []),
    ...(isFlushCounted
      ? [
          sample(m.drive.flushes, labels, flush.operations),
          sample(m.drive.flushSeconds, labels, flush.nanoseconds / NS),
          ...sampleIfGiven(m.driveLatency.flush, labels, latency(flush)),
        ]
      : []),
    ...(zoneAppend ? zoneAppendSamples(labels, zoneAppend, latency(zoneAppend)) : []),
    ...sampleIfGiven(m.driveIdle, labels, inSeconds(stats.idleNanoseconds)),
    sample(m.driveHighestOffset, labels, stats.highestOffset),
    ...errorSamples(labels, { read, write, flush, unmap, zone_append: zoneAppend }),
    ...sampleIfGiven(m.driveLatency.read, labels, latency(read)),
    ...sampleIfGiven(m.driveLatency.write, labels, latency(write)),
    ...(storage ? storageSamples(labels, storage) : []),
  ]
}

function discardSamples(labels: Labels, unmap: OperationStats): Sample[] {
  return [
    sample(m.drive.discardsCompleted, labels, unmap.operations),
    ...sampleIfGiven(m.drive.discardsMerged, labels, unmap.merged),
    ...sampleIfGiven(m.drive.discardedBytes, labels, unmap.bytes),
    sample(m.drive.discardSeconds, labels, unmap.nanoseconds / NS),
  ]
}

function zoneAppendSamples(
  labels: Labels,
  append: OperationStats,
  latency: Distribution | undefined,
): Sample[] {
  return [
    sample(m.driveZoneAppend.completed, labels, append.operations),
    ...sampleIfGiven(m.driveZoneAppend.merged, labels, append.merged),
    ...sampleIfGiven(m.driveZoneAppend.bytes, labels, append.bytes),
    sample(m.driveZoneAppend.seconds, labels, append.nanoseconds / NS),
    // Of a disk without zones it would be a score of empty buckets.
    ...(latency && latency.count > 0 ? [sample(m.driveLatency.zoneAppend, labels, latency)] : []),
  ]
}

function errorSamples(
  labels: Labels,
  operations: Readonly<Record<string, OperationStats | undefined>>,
): Sample[] {
  return Object.entries(operations).flatMap(([operation, stats]) =>
    stats
      ? [
          sample(m.driveFailed, { ...labels, operation }, stats.failed),
          sample(m.driveInvalid, { ...labels, operation }, stats.invalid),
        ]
      : [],
  )
}

function storageSamples(labels: Labels, { highestOffset, discards, nvme }: StorageStats): Sample[] {
  const { driveStorage } = m
  return [
    sample(driveStorage.highestOffset, labels, highestOffset),
    ...sampleIfGiven(driveStorage.discards, labels, discards?.completed),
    ...sampleIfGiven(driveStorage.discardedBytes, labels, discards?.bytes),
    ...sampleIfGiven(driveStorage.failedDiscards, labels, discards?.failed),
    ...sampleIfGiven(driveStorage.completionErrors, labels, nvme?.completionErrors),
    ...sampleIfGiven(driveStorage.aligned, labels, nvme?.alignedAccesses),
    ...sampleIfGiven(driveStorage.unaligned, labels, nvme?.unalignedAccesses),
  ]
}

/**
 * qemu's bins are half-open from below and not cumulative, Prometheus' bounds inclusive and cumulative: an operation of
 * exactly a bound's nanoseconds counts one bucket higher here. Armed before the guest ran, they hold each operation
 * that the exact time is the sum of, failed ones too; told to leave those out of the time, qemu still counts them here,
 * and there is no sum that would go with the buckets.
 */
function distribution({ histogram, nanoseconds }: OperationStats): Distribution | undefined {
  if (!histogram) return undefined
  let count = 0
  const counts = histogram.bins.map((bin) => {
    count += bin
    return count
  })
  return {
    bounds: histogram.boundaries.map((boundary) => boundary / NS),
    counts: counts.slice(0, -1),
    count,
    sum: nanoseconds / NS,
  }
}

function inSeconds(nanoseconds: number | undefined): number | undefined {
  return nanoseconds === undefined ? undefined : nanoseconds / NS
}
