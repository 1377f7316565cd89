import type { Vm } from '../attribution/records.ts'
import * as m from '../metrics/catalog.ts'
import { type Sample, sample, sampleIfGiven } from '../metrics/family.ts'
import { type DriveStats, pollBlockStats } from '../source/blockstats.ts'
import { type Collector, collectEach, sourceTimeoutMs } from './collector.ts'
import { driveSamples } from './drive-samples.ts'

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
    const answers = scrape.vms.flatMap(({ name, qmp }) =>
      sampleIfGiven(m.vmLastAnswer, { vm: name }, qmp?.lastAnswerTime),
    )
    return [...up, ...answers, ...samples]
  },
}

function vmSamples(vm: Vm, stats: readonly DriveStats[]): Sample[] {
  return stats.flatMap((stat) => {
    const drive = vm.drives.find(({ id }) => id === stat.id)
    return drive ? driveSamples(vm.name, drive, stat) : []
  })
}
