import { codeOf } from '../lib/errors.ts'
import * as m from '../metrics/catalog.ts'
import { sample, sampleIfGiven } from '../metrics/family.ts'
import { pollProcStat, pollResidentBytes, readProcIo } from '../source/proc.ts'
import { type Collector, collectEach } from './collector.ts'

/** What each qemu process caused, as the kernel accounts it. */
export const process: Collector = {
  name: 'process',

  collect: (scrape) =>
    collectEach('process', scrape.vms, scrape, async ({ name, pid }) => {
      const labels = { vm: name }
      const files = scrape.descriptors.of(pid)
      const [io, stat, residentBytes] = await Promise.all([
        readProcIo(scrape.procRoot, pid).catch(notAllowed),
        pollProcStat(scrape.procRoot, pid),
        pollResidentBytes(scrape.procRoot, pid),
      ])
      return [
        ...sampleIfGiven(m.vmProcess.readBytes, labels, io?.readBytes),
        ...sampleIfGiven(m.vmProcess.writtenBytes, labels, io?.writtenBytes),
        ...sampleIfGiven(m.vmProcess.cancelledBytes, labels, io?.cancelledBytes),
        sample(m.vmProcess.cpuSeconds, labels, stat.cpuSeconds),
        sample(m.vmProcess.majorFaults, labels, stat.majorFaults),
        sample(m.vmProcess.threads, labels, stat.threads),
        ...sampleIfGiven(m.vmProcess.residentBytes, labels, residentBytes),
        ...sampleIfGiven(m.vmProcess.descriptors, labels, files?.open),
        ...sampleIfGiven(m.vmProcess.descriptorLimit, labels, files?.limit),
      ]
    }),
}

/** What a process of another user's read and wrote is not for everyone; its time and its memory are. */
function notAllowed(error: unknown): undefined {
  if (codeOf(error) !== 'EACCES') throw error
}
