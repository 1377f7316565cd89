import type { TierConfig } from '../../config/schema.ts'
import type { ClassCapacity, OperationClass } from '../../density/records.ts'
import { goodCalibrations } from '../../journal/calibrations.ts'
import type { JournalReader } from '../../journal/journal.ts'
import type { CalibrationResult } from './records.ts'

/** What is known of a tier by calibration. */
export interface CalibrationInForce {
  /** When the newest of it ended, Unix seconds. */
  endedAt: number
  classes: ClassCapacity[]
}

/** What a tier's figures depend on, as text: what its config says, but for what it promises and is said to serve. */
export function calibrationBasis(config: TierConfig): string {
  const { target: _, capacity: __, passwordFile: ___, ...basis } = config
  return JSON.stringify(basis)
}

/**
 * Of each class the newest calibration that ended well, of the tier as the config has it now; undefined where there is
 * none. A calibration of single classes leaves the others' in force.
 */
export function calibrationInForce(
  journal: JournalReader,
  tier: string,
  config: TierConfig,
): CalibrationInForce | undefined {
  const basis = calibrationBasis(config)
  const classes = new Map<OperationClass, ClassCapacity>()
  let endedAt = 0
  for (const row of goodCalibrations(journal, tier)) {
    if ((row.manifest as { tier?: unknown }).tier !== basis) continue
    endedAt ||= row.endedAt ?? 0
    for (const { capacity } of (row.result as CalibrationResult).classes) {
      if (!classes.has(capacity.class)) classes.set(capacity.class, capacity)
    }
  }
  return classes.size === 0 ? undefined : { endedAt, classes: [...classes.values()] }
}
