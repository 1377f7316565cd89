import * as m from '../metrics/catalog.ts'
import { type Sample, sample, sampleIfGiven } from '../metrics/family.ts'
import { readCgroupIo, readCgroupPressure } from '../source/cgroup.ts'
import { readDiskstats } from '../source/diskstats.ts'
import type { Pressure } from '../source/pressure.ts'
import { type Collector, collectEach } from './collector.ts'

/** Each vm's share of each device, and how long it waited. Where the host has no I/O cgroups there are no series. */
export const cgroup: Collector = {
  name: 'cgroup',

  async collect(scrape) {
    const { hierarchy } = scrape
    if (!hierarchy || scrape.vms.length === 0) return []
    const stats = await readDiskstats(scrape.procRoot)
    const names = new Map(stats.map(({ major, minor, device }) => [`${major}:${minor}`, device]))
    // v1 counts a host-cached write for nobody, or for whoever flushes it: what is not known is not shown.
    const countsWrites = hierarchy.version === 2
    return await collectEach('cgroup', scrape.vms, scrape, async (vm) => {
      if (vm.cgroup === undefined) return []
      // Of a vm that kvmio did not start the drives may not be known.
      const isDirect = vm.drives.length > 0 && vm.drives.every(({ direct }) => direct)
      const [shares, pressure] = await Promise.all([
        readCgroupIo(hierarchy, vm.cgroup),
        readCgroupPressure(hierarchy, vm.cgroup),
      ])
      const ofDevices = shares.flatMap((io) => {
        const device = names.get(io.device)
        if (device === undefined) return []
        const labels = { vm: vm.name, device }
        const reads = [
          sample(m.vmDevice.readsCompleted, labels, io.readsCompleted),
          sample(m.vmDevice.readBytes, labels, io.readBytes),
        ]
        if (!isDirect && !countsWrites) return reads
        return [
          ...reads,
          sample(m.vmDevice.writesCompleted, labels, io.writesCompleted),
          sample(m.vmDevice.writtenBytes, labels, io.writtenBytes),
        ]
      })
      return [...ofDevices, ...pressureSamples(vm.name, pressure)]
    })
  },
}

function pressureSamples(vm: string, pressure: Pressure | undefined): Sample[] {
  return [
    ...sampleIfGiven(m.vmPressure.waiting, { vm }, pressure?.waitingSeconds),
    ...sampleIfGiven(m.vmPressure.stalled, { vm }, pressure?.stalledSeconds),
  ]
}
