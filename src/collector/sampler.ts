import * as m from '../metrics/catalog.ts'
import { type Family, type Sample, sample } from '../metrics/family.ts'
import type { Demand, Moments } from '../sampler/demand.ts'
import type { Collector } from './collector.ts'

/** What the one-second sampler has gathered. */
export const sampler: Collector = {
  name: 'sampler',

  async collect({ sampler, tiers, showsDevice }) {
    const ofTiers = new Set(tiers.map(({ device }) => device))
    const shown = (device: string) => ofTiers.has(device) || showsDevice(device)
    return [
      ...[...sampler.deviceRates]
        .filter(([device]) => shown(device))
        .map(([device, rates]) => sample(m.deviceTransactions, { device }, rates.distribution)),
      ...[...sampler.unattributed].flatMap(([device, io]) => [
        sample(m.deviceUnattributed.readsCompleted, { device }, io.readsCompleted),
        sample(m.deviceUnattributed.readBytes, { device }, io.readBytes),
        sample(m.deviceUnattributed.writesCompleted, { device }, io.writesCompleted),
        sample(m.deviceUnattributed.writtenBytes, { device }, io.writtenBytes),
      ]),
      ...[...sampler.vmRates].map(([vm, rates]) =>
        sample(m.vmTransactions, { vm }, rates.distribution),
      ),
      ...[...sampler.vmDemand].flatMap(([vm, demands]) =>
        demands.flatMap((demand) => momentSamples(m.vmDemand, { vm, ...labelsOf(demand) }, demand)),
      ),
      ...sampler.tierDemand.flatMap((demand) =>
        momentSamples(m.tierDemand, labelsOf(demand), demand),
      ),
    ]
  },
}

function labelsOf({ tier, basis }: Demand) {
  return { tier, basis }
}

function momentSamples<L extends string>(
  families: Record<keyof Moments, Family<L>>,
  labels: Readonly<Record<NoInfer<L>, string>>,
  { moments }: Demand,
): Sample[] {
  return [
    sample(families.samples, labels, moments.samples),
    sample(families.seconds, labels, moments.seconds),
    sample(families.squaredSeconds, labels, moments.squaredSeconds),
  ]
}
