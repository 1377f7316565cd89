import * as m from '../metrics/catalog.ts'
import { sample } from '../metrics/family.ts'
import { readHostCpu, readMeminfo } from '../source/proc.ts'
import type { Collector } from './collector.ts'

/** What density needs of the host beside its devices. */
export const host: Collector = {
  name: 'host',

  async collect({ procRoot }) {
    const [memory, cpu] = await Promise.all([readMeminfo(procRoot), readHostCpu(procRoot)])
    return [
      sample(m.host.memoryTotal, {}, memory.totalBytes),
      sample(m.host.memoryAvailable, {}, memory.availableBytes),
      sample(m.host.dirty, {}, memory.dirtyBytes),
      sample(m.host.writeback, {}, memory.writebackBytes),
      sample(m.host.cpus, {}, cpu.cpus),
      ...Object.entries(cpu.secondsByMode).map(([mode, seconds]) =>
        sample(m.host.cpuSeconds, { mode }, seconds),
      ),
    ]
  },
}
