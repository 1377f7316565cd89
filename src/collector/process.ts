import * as m from '../metrics/catalog.ts'
import { sample, sampleIfGiven } from '../metrics/family.ts'
import { readProcIo, readProcStat } from '../source/proc.ts'
import { type Collector, collectEach } from './collector.ts'

/** What each qemu process caused, as the kernel accounts it. */
export const process: Collector = {
  name: 'process',

  collect: (scrape) =>
    collectEach('process', scrape.vms, scrape, async ({ name, pid }) => {
      const labels = { vm: name }
      const files = scrape.descriptors.of(pid)
      const [io, stat] = await Promise.all([
        readProcIo(scrape.procRoot, pid),
        readProcStat(scrape.procRoot, pid),
      ])
      return [
        sample(m.vmProcess.readBytes, labels, io.readBytes),
        sample(m.vmProcess.writtenBytes, labels, io.writtenBytes),
        sample(m.vmProcess.cancelledBytes, labels, io.cancelledBytes),
        sample(m.vmProcess.cpuSeconds, labels, stat.cpuSeconds),
        sample(m.vmProcess.majorFaults, labels, stat.majorFaults),
        sample(m.vmProcess.threads, labels, stat.threads),
        ...sampleIfGiven(m.vmProcess.residentBytes, labels, stat.residentBytes),
        ...sampleIfGiven(m.vmProcess.descriptors, labels, files?.open),
        ...sampleIfGiven(m.vmProcess.descriptorLimit, labels, files?.limit),
      ]
    }),
}
