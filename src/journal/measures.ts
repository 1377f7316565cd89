import type { JournalReader } from './journal.ts'

/** What one run that passed came to. */
export interface Measured {
  case: string
  block: number
  value: number
}

/** Of a study the blocks that have ended and count, or one block whatever becomes of it. */
export type Scope = { study: number } | { block: number }

/** How long some phases took together in runs that passed: seconds of the slowest vm. */
export function phaseMeasures(
  journal: JournalReader,
  scope: Scope,
  phases: readonly string[],
): Measured[] {
  return journal.all(
    `SELECT "case", block, max(seconds) AS value FROM (
       SELECT run, vm, "case", block, sum(seconds) AS seconds FROM (
         SELECT runs.id AS run, vms.id AS vm, case_name AS "case", blocks.number AS block, phase,
                lead(uptime) OVER (PARTITION BY vms.id ORDER BY seq) - uptime AS seconds
         FROM phases JOIN vms ON vms.id = vm_id JOIN runs ON runs.id = run_id
         JOIN blocks ON blocks.id = block_id
         WHERE ${within(scope)} AND runs.outcome = 'passed')
       WHERE seconds IS NOT NULL AND phase IN (SELECT value FROM json_each(?))
       GROUP BY run, vm)
     GROUP BY run ORDER BY run`,
    idOf(scope),
    JSON.stringify(phases),
  ) as unknown as Measured[]
}

/** The transactions per second that the tiers' devices did under the load of runs that passed. */
export function transactionMeasures(journal: JournalReader, scope: Scope): Measured[] {
  return journal.all(
    `SELECT case_name AS "case", blocks.number AS block, json_extract(findings, '$.transactions') AS value
     FROM runs JOIN blocks ON blocks.id = block_id
     WHERE ${within(scope)} AND outcome = 'passed' AND value IS NOT NULL ORDER BY runs.id`,
    idOf(scope),
  ) as unknown as Measured[]
}

function within(scope: Scope): string {
  return 'block' in scope
    ? 'block_id = ?'
    : 'study_id = ? AND blocks.ended_at IS NOT NULL AND blocks.void_reason IS NULL'
}

function idOf(scope: Scope): number {
  return 'block' in scope ? scope.block : scope.study
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
