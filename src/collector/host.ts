import * as m from '../metrics/catalog.ts'
import { type Sample, sample, sampleIfGiven } from '../metrics/family.ts'
import { readHostPressure } from '../source/pressure.ts'
import { readHostCpu, readMeminfo } from '../source/proc.ts'
import type { Collector } from './collector.ts'

/** What density needs of the host beside its devices. */
export const host: Collector = {
  name: 'host',

  async collect({ procRoot }) {
    const [memory, cpu, pressure] = await Promise.all([
      readMeminfo(procRoot),
      readHostCpu(procRoot),
      pressureSamples(procRoot),
    ])
    return [
      sample(m.host.memoryTotal, {}, memory.totalBytes),
      ...sampleIfGiven(m.host.memoryAvailable, {}, memory.availableBytes),
      sample(m.host.dirty, {}, memory.dirtyBytes),
      sample(m.host.writeback, {}, memory.writebackBytes),
      sample(m.host.cpus, {}, cpu.cpus),
      ...Object.entries(cpu.secondsByMode).map(([mode, seconds]) =>
        sample(m.host.cpuSeconds, { mode }, seconds),
      ),
      ...pressure,
    ]
  },
}

async function pressureSamples(procRoot: string): Promise<Sample[]> {
  const [cpu, io, memory] = await Promise.all([
    readHostPressure(procRoot, 'cpu'),
    readHostPressure(procRoot, 'io'),
    readHostPressure(procRoot, 'memory'),
  ])
  const { hostPressure: families } = m
  return [
    ...sampleIfGiven(families.cpuWaiting, {}, cpu?.waitingSeconds),
    ...sampleIfGiven(families.ioWaiting, {}, io?.waitingSeconds),
    ...sampleIfGiven(families.ioStalled, {}, io?.stalledSeconds),
    ...sampleIfGiven(families.memoryWaiting, {}, memory?.waitingSeconds),
    ...sampleIfGiven(families.memoryStalled, {}, memory?.stalledSeconds),
  ]
}
