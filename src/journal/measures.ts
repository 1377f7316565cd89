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

/**
 * The transactions per second of the tiers' devices over runs that passed, from just before the vms started until what they
 * wrote was there: what host-cached vms write reaches the device when it likes, and not while they write it.
 */
export function transactionMeasures(journal: JournalReader, scope: Scope): Measured[] {
  return journal.all(
    `SELECT "case", block, done / seconds AS value FROM (
       SELECT runs.id, case_name AS "case", blocks.number AS block,
              (SELECT sum(reads + writes) FROM layer_counts WHERE run_id = runs.id AND layer = 'device') AS done,
              runs.ended_at - coalesce(json_extract(baseline, '$.neighbours.seconds'), 0)
                - coalesce(json_extract(baseline, '$.at'), runs.started_at) AS seconds
       FROM runs JOIN blocks ON blocks.id = block_id
       WHERE ${within(scope)} AND outcome = 'passed')
     WHERE done IS NOT NULL AND seconds > 0 ORDER BY id`,
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
