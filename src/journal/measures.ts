import type { JournalReader } from './journal.ts'

/** What one run that passed came to. */
export interface Measured {
  case: string
  block: number
  value: number
}

/** How long some phases took together in the runs of a study that passed, in blocks that have ended: seconds of the slowest vm. */
export function phaseMeasures(
  journal: JournalReader,
  study: number,
  phases: readonly string[],
): Measured[] {
  return journal.all(
    `SELECT "case", block, max(seconds) AS value FROM (
       SELECT run, vm, "case", block, sum(seconds) AS seconds FROM (
         SELECT runs.id AS run, vms.id AS vm, case_name AS "case", blocks.number AS block, phase,
                lead(uptime) OVER (PARTITION BY vms.id ORDER BY seq) - uptime AS seconds
         FROM phases JOIN vms ON vms.id = vm_id JOIN runs ON runs.id = run_id
         JOIN blocks ON blocks.id = block_id
         WHERE study_id = ? AND blocks.ended_at IS NOT NULL AND runs.outcome = 'passed')
       WHERE seconds IS NOT NULL AND phase IN (SELECT value FROM json_each(?))
       GROUP BY run, vm)
     GROUP BY run ORDER BY run`,
    study,
    JSON.stringify(phases),
  ) as unknown as Measured[]
}

/** How long runs that passed took from their start to their end, by case: seconds of the last ten. */
export function runSeconds(
  journal: JournalReader,
  study: string,
  hash: string,
): { case: string; seconds: number }[] {
  return journal.all(
    `SELECT "case", seconds FROM (
       SELECT case_name AS "case", runs.ended_at - runs.started_at AS seconds,
              row_number() OVER (PARTITION BY case_name ORDER BY runs.id DESC) AS latest
       FROM runs JOIN blocks ON blocks.id = block_id JOIN studies ON studies.id = study_id
       WHERE studies.name = ? AND hash = ? AND outcome = 'passed')
     WHERE latest <= 10`,
    study,
    hash,
  ) as unknown as { case: string; seconds: number }[]
}
