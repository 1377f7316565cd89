import * as m from '../metrics/catalog.ts'
import { type Sample, sample } from '../metrics/family.ts'
import type { Collector } from './collector.ts'

/** What is known of density beside what runs now. */
export interface DensityRecord {
  /** As the config has them. */
  settings: {
    zScore: number
    /** Shares, 0 to 1. */
    utilisationCap: number
    cpuCap: number
    /** Bytes. */
    memoryReserve: number
  }
  guests: readonly { guest: string; memoryBytes: number }[]
  /** Of one vm, device-seconds per second. */
  demands: readonly {
    tier: string
    guest: string
    source: 'stated' | 'journal'
    mean: number
    sigma: number
    correlation: number
  }[]
  /** The last of each guest on each tier. */
  ramps: readonly {
    tier: string
    guest: string
    measured: number
    predicted: readonly { method: string; vms: number }[]
  }[]
}

/** What the config and the journal say of density, for the rules that say how many vms fit. */
export const density: Collector = {
  name: 'density',

  async collect({ density }) {
    const { settings, guests, demands, ramps } = density()
    return [
      sample(m.density.zScore, {}, settings.zScore),
      sample(m.density.utilisationCap, {}, settings.utilisationCap),
      sample(m.density.cpuCap, {}, settings.cpuCap),
      sample(m.density.memoryReserve, {}, settings.memoryReserve),
      ...guests.map(({ guest, memoryBytes }) =>
        sample(m.density.guestMemory, { guest }, memoryBytes),
      ),
      ...demands.flatMap(demandSamples),
      ...ramps.flatMap(rampSamples),
    ]
  },
}

function demandSamples({
  tier,
  guest,
  source,
  mean,
  sigma,
  correlation,
}: DensityRecord['demands'][number]): Sample[] {
  const labels = { tier, guest, source }
  return [
    sample(m.density.demandMean, labels, mean),
    sample(m.density.demandDeviation, labels, sigma),
    sample(m.density.demandCorrelation, labels, correlation),
  ]
}

function rampSamples({
  tier,
  guest,
  measured,
  predicted,
}: DensityRecord['ramps'][number]): Sample[] {
  return [
    sample(m.density.measured, { tier, guest }, measured),
    ...predicted.map(({ method, vms }) =>
      sample(m.density.predicted, { tier, guest, method }, vms),
    ),
  ]
}
