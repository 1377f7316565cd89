import { KvmioError } from '../lib/errors.ts'
import * as m from '../metrics/catalog.ts'
import { sampleIfGiven } from '../metrics/family.ts'
import type { Collector } from './collector.ts'

/** iostat's own figures, to be held against kvmio's. */
export const iostat: Collector = {
  name: 'iostat',

  async collect({ iostat, tiers, showsDevice }) {
    const reading = iostat?.latest()
    if (!reading) throw new KvmioError('iostat has said nothing in its last three intervals')
    const ofTiers = new Set(tiers.map(({ device }) => device))
    return reading.devices
      .filter(({ device }) => ofTiers.has(device) || showsDevice(device))
      .flatMap((stat) => {
        const labels = { device: stat.device }
        return [
          ...sampleIfGiven(m.iostat.reads, labels, stat.readsPerSecond),
          ...sampleIfGiven(m.iostat.writes, labels, stat.writesPerSecond),
          ...sampleIfGiven(m.iostat.readBytes, labels, stat.readBytesPerSecond),
          ...sampleIfGiven(m.iostat.writtenBytes, labels, stat.writtenBytesPerSecond),
          ...sampleIfGiven(m.iostat.readAwait, labels, stat.readAwaitSeconds),
          ...sampleIfGiven(m.iostat.writeAwait, labels, stat.writeAwaitSeconds),
          ...sampleIfGiven(m.iostat.flushAwait, labels, stat.flushAwaitSeconds),
          ...sampleIfGiven(m.iostat.queueLength, labels, stat.queueLength),
          ...sampleIfGiven(m.iostat.util, labels, stat.utilRatio),
        ]
      })
  },
}
