import { given, type JournalReader } from './journal.ts'
import type { Outcome } from './runs.ts'

// What a scrape asks of the journal.

export interface PhaseDuration {
  study: string
  case: string
  run: number
  vm: string
  phase: string
  seconds: number
}

/** Runs that ended, by study and outcome. */
export function runCounts(
  journal: JournalReader,
): { study: string; outcome: Outcome; runs: number }[] {
  return journal.all(
    `SELECT studies.name AS study, outcome, count(*) AS runs FROM runs
     JOIN blocks ON blocks.id = block_id JOIN studies ON studies.id = study_id
     WHERE outcome IS NOT NULL GROUP BY studies.name, outcome`,
  ) as unknown as { study: string; outcome: Outcome; runs: number }[]
}

/** Blocks that ended and are not void, by study. */
export function blockCounts(journal: JournalReader): { study: string; blocks: number }[] {
  return journal.all(
    `SELECT name AS study, count(*) AS blocks FROM blocks JOIN studies ON studies.id = study_id
     WHERE ended_at IS NOT NULL AND void_reason IS NULL GROUP BY name`,
  ) as unknown as { study: string; blocks: number }[]
}

/** The id of the first run that has not ended: all before it have, whatever ends next. */
export function firstUnfinishedRun(journal: JournalReader): number | undefined {
  return given(journal.get('SELECT min(id) AS id FROM runs WHERE outcome IS NULL')?.id)
}

/** How long each phase of each vm took in the runs after `afterRun` that passed, by the guest's clock. */
export function phaseDurations(journal: JournalReader, afterRun: number): PhaseDuration[] {
  return journal
    .all(
      `SELECT studies.name AS study, case_name AS "case", runs.id AS run, vms.name AS vm, phase,
              lead(uptime) OVER (PARTITION BY vms.id ORDER BY seq) - uptime AS seconds
       FROM phases JOIN vms ON vms.id = vm_id JOIN runs ON runs.id = run_id
       JOIN blocks ON blocks.id = block_id JOIN studies ON studies.id = study_id
       WHERE runs.outcome = 'passed' AND runs.id > ? ORDER BY runs.id, vms.id, seq`,
      afterRun,
    )
    .filter((row) => row.seconds !== null) as unknown as PhaseDuration[]
}
