import type { TierConfig } from '../config/schema.ts'
import type { TierCapacity } from '../density/cost.ts'

/** What a tier is known to serve. */
export function tierCapacity({ capacity }: Pick<TierConfig, 'capacity'>): TierCapacity {
  const rated = capacity?.transactionsPerSecond
  return { classes: [], ...(rated !== undefined && { rated }) }
}
