import { measureOf, phasesOf, TPS } from '../config/phases.ts'
import type { StudyConfig } from '../config/schema.ts'
import type { JournalReader } from '../journal/journal.ts'
import {
  type Measured,
  phaseMeasures,
  type Scope,
  transactionMeasures,
} from '../journal/measures.ts'

/** What runs that passed came to, in what their study compares its cases by. */
export function measured(
  journal: JournalReader,
  scope: Scope,
  study: Pick<StudyConfig, 'measure' | 'workload'>,
): Measured[] {
  const measure = measureOf(study)
  return measure === TPS
    ? transactionMeasures(journal, scope)
    : phaseMeasures(journal, scope, phasesOf(measure))
}
