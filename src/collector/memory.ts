import type { Vm } from '../attribution/records.ts'
import * as m from '../metrics/catalog.ts'
import { type Sample, sample, sampleIfGiven } from '../metrics/family.ts'
import { readBalloon } from '../source/balloon.ts'
import { type Collector, collectEach, type Scrape, sourceTimeoutMs } from './collector.ts'

/** What each vm was given of memory, what its balloon leaves it, and what its qemu takes of the host's. */
export const memory: Collector = {
  name: 'memory',

  async collect(scrape) {
    const { vms } = scrape
    const ofHost = vms.flatMap(({ name, pid, memoryBytes }) => {
      const taken = scrape.memory.of(pid)
      return [
        ...sampleIfGiven(m.vmMemory, { vm: name }, memoryBytes),
        ...sampleIfGiven(m.vmProcess.proportionalBytes, { vm: name }, taken?.totalBytes),
        ...sampleIfGiven(m.vmProcess.anonymousBytes, { vm: name }, taken?.anonymousBytes),
      ]
    })
    const ofBalloons = await collectEach('memory', vms, scrape, (vm) => balloonSamples(vm, scrape))
    return [...ofHost, ...ofBalloons]
  },
}

async function balloonSamples(vm: Vm, scrape: Scrape): Promise<Sample[]> {
  const { balloon, qmp } = vm
  if (!balloon || !qmp) return []
  const labels = { vm: vm.name }
  const { actualBytes, guest } = await readBalloon(qmp, sourceTimeoutMs(scrape))
  return [
    sample(m.balloon.targetBytes, labels, balloon.targetBytes),
    sample(m.balloon.actualBytes, labels, actualBytes),
    ...sampleIfGiven(m.guestMemory.totalBytes, labels, guest?.totalBytes),
    ...sampleIfGiven(m.guestMemory.freeBytes, labels, guest?.freeBytes),
    ...sampleIfGiven(m.guestMemory.availableBytes, labels, guest?.availableBytes),
    ...sampleIfGiven(m.guestMemory.diskCachesBytes, labels, guest?.diskCachesBytes),
    ...sampleIfGiven(m.guestMemory.majorFaults, labels, guest?.majorFaults),
    ...sampleIfGiven(m.guestMemory.updatedTime, labels, guest?.updatedTime),
  ]
}
