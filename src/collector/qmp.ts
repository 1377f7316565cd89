import type { Drive, Vm } from '../attribution/records.ts'
import * as m from '../metrics/catalog.ts'
import type { Distribution, Sample } from '../metrics/family.ts'
import { sample, sampleIfGiven } from '../metrics/family.ts'
import { type DriveStats, type OperationStats, pollBlockStats } from '../source/blockstats.ts'
import { type Collector, collectEach, sourceTimeoutMs } from './collector.ts'

const NS = 1e9

/** What each vm asked of qemu. */
export const qmp: Collector = {
  name: 'qmp',

  async collect(scrape) {
    const answered = new Set<string>()
    const samples = await collectEach('qmp', scrape.vms, scrape, async (vm) => {
      if (!vm.qmp) return []
      const stats = await pollBlockStats(vm.qmp, sourceTimeoutMs(scrape))
      answered.add(vm.name)
      return vmSamples(vm, stats)
    })
    const asked = scrape.knownVms.filter(({ unasked }) => !unasked)
    const up = asked.map(({ name }) => sample(m.vmUp, { vm: name }, answered.has(name) ? 1 : 0))
    return [...up, ...samples]
  },
}

function vmSamples(vm: Vm, stats: readonly DriveStats[]): Sample[] {
  return stats.flatMap((stat) => {
    const drive = vm.drives.find(({ id }) => id === stat.id)
    return drive ? driveSamples(vm, drive, stat) : []
  })
}

function driveSamples(
  vm: Vm,
  { name, bus }: Drive,
  { read, write, flush, unmap, highestOffset }: DriveStats,
): Sample[] {
  // qemu's nvme flushes without counting it (hw/nvme/ctrl.c; 7.2: 200 flushes reached the device, 0 were counted).
  const isFlushCounted = bus !== 'nvme' || flush.operations > 0
  const labels = { vm: vm.name, drive: name }
  const operations = { read, write, flush, unmap }
  return [
    sample(m.drive.readsCompleted, labels, read.operations),
    ...sampleIfGiven(m.drive.readsMerged, labels, read.merged),
    ...sampleIfGiven(m.drive.readBytes, labels, read.bytes),
    sample(m.drive.readSeconds, labels, read.nanoseconds / NS),
    sample(m.drive.writesCompleted, labels, write.operations),
    ...sampleIfGiven(m.drive.writesMerged, labels, write.merged),
    ...sampleIfGiven(m.drive.writtenBytes, labels, write.bytes),
    sample(m.drive.writeSeconds, labels, write.nanoseconds / NS),
    sample(m.drive.discardsCompleted, labels, unmap.operations),
    ...sampleIfGiven(m.drive.discardsMerged, labels, unmap.merged),
    ...sampleIfGiven(m.drive.discardedBytes, labels, unmap.bytes),
    sample(m.drive.discardSeconds, labels, unmap.nanoseconds / NS),
    ...(isFlushCounted ? flushSamples(labels, flush) : []),
    sample(m.driveHighestOffset, labels, highestOffset),
    ...Object.entries(operations).flatMap(([operation, { failed, invalid }]) => [
      sample(m.driveFailed, { ...labels, operation }, failed),
      sample(m.driveInvalid, { ...labels, operation }, invalid),
    ]),
    ...sampleIfGiven(m.driveLatency.read, labels, distribution(read)),
    ...sampleIfGiven(m.driveLatency.write, labels, distribution(write)),
  ]
}

function flushSamples(labels: { vm: string; drive: string }, flush: OperationStats): Sample[] {
  return [
    sample(m.drive.flushes, labels, flush.operations),
    sample(m.drive.flushSeconds, labels, flush.nanoseconds / NS),
    ...sampleIfGiven(m.driveLatency.flush, labels, distribution(flush)),
  ]
}

/**
 * qemu's bins are half-open from below and not cumulative, Prometheus' bounds inclusive and cumulative: an operation of
 * exactly a bound's nanoseconds counts one bucket higher here. Armed before the guest ran, they hold each operation
 * that the exact time is the sum of.
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
