import type { DemandConfig } from '../config/density-schema.ts'
import type { Boot } from '../density/boot.ts'
import type { Mix } from '../density/capacity.ts'
import { type TierCapacity, tierService } from '../density/cost.ts'
import type { Demand } from '../density/records.ts'

/** The paper's vm: 5 transactions a second on average, in bursts of up to 100. */
const SIGMAS_PER_MEAN = 2

/** What the config says that one vm asks of a tier; what it does not say, or needs a capacity that is not known, is absent. */
export interface StatedDemand {
  demand?: Demand
  /** Absent of a demand in time of the tier. */
  mix?: Mix
  boot?: Boot
}

/** A demand of the config in time of a tier. */
export function statedDemand(
  stated: DemandConfig | undefined,
  capacity: TierCapacity,
): StatedDemand {
  if (!stated) return {}
  const { transactionsPerSecond, deviceTime, correlation, boot } = stated
  const mix: Mix = { [transactionsPerSecond?.class ?? 'random-write']: 1 }
  const peak = tierService(capacity, mix)?.peak
  const asked = deviceTime ?? inTime(transactionsPerSecond, peak)
  return {
    ...(asked && {
      demand: { mean: asked.mean, sigma: asked.sigma ?? SIGMAS_PER_MEAN * asked.mean, correlation },
    }),
    ...(transactionsPerSecond && { mix }),
    ...(boot &&
      peak !== undefined && {
        boot: {
          demand: boot.transactionsPerSecond / peak,
          ...(boot.transactions !== undefined && { work: boot.transactions / peak }),
        },
      }),
  }
}

function inTime(
  asked: DemandConfig['transactionsPerSecond'],
  peak: number | undefined,
): { mean: number; sigma?: number } | undefined {
  if (!asked || peak === undefined) return undefined
  return {
    mean: asked.mean / peak,
    ...(asked.sigma !== undefined && { sigma: asked.sigma / peak }),
  }
}
