import type { Vm } from '../attribution/records.ts'
import * as m from '../metrics/catalog.ts'
import { type Sample, sample } from '../metrics/family.ts'
import { type DriveStats, readBlockStats } from '../source/blockstats.ts'
import { type Collector, collectEach } from './collector.ts'
import { driveSamples } from './drive-samples.ts'

/** What each vm asked of qemu. */
export const qmp: Collector = {
  name: 'qmp',

  async collect(scrape) {
    const answered = new Set<string>()
    const samples = await collectEach('qmp', scrape.vms, scrape, async (vm) => {
      if (!vm.qmp) return []
      const stats = await readBlockStats(vm.qmp, scrape.timeoutMs * 0.8)
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
    return drive ? driveSamples(vm.name, drive, stat) : []
  })
}
