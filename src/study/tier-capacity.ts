import type { TierConfig } from '../config/schema.ts'
import type { TierCapacity } from '../density/cost.ts'
import type { JournalReader } from '../journal/journal.ts'
import { calibrationInForce } from './calibration/in-force.ts'

/** What a tier is known to serve, by calibration and by the config. */
export function tierCapacity(
  name: string,
  config: TierConfig,
  journal: JournalReader | undefined,
): TierCapacity {
  const rated = config.capacity?.transactionsPerSecond
  const calibrated = journal && calibrationInForce(journal, name, config)
  return { classes: calibrated?.classes ?? [], ...(rated !== undefined && { rated }) }
}
