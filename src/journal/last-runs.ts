import type { JournalReader } from './journal.ts'
import type { Outcome } from './runs.ts'

/** A run that ended, as a list of the last ones shows it. */
export interface LastRun {
  id: number
  study: string
  case: string
  block: number
  outcome: Outcome
  reason?: string
  /** Unix seconds. */
  startedAt: number
  endedAt: number
  vms: number
  /** Seconds by phase, in order: the slowest vm. */
  phases: Record<string, number>
}

/** The last runs that have ended, of all studies or of one, the one that began last first. */
export function lastRuns(
  journal: JournalReader,
  { study, limit }: { study?: string; limit: number },
): LastRun[] {
  const rows = journal.all(
    `SELECT runs.id, studies.name AS study, case_name, number, outcome, reason, runs.started_at, runs.ended_at,
            (SELECT count(*) FROM vms WHERE run_id = runs.id) AS vms
     FROM runs JOIN blocks ON blocks.id = block_id JOIN studies ON studies.id = study_id
     WHERE outcome IS NOT NULL AND (?1 IS NULL OR studies.name = ?1)
     ORDER BY runs.id DESC LIMIT ?2`,
    study ?? null,
    limit,
  )
  return rows.map((row) => ({
    id: Number(row.id),
    study: String(row.study),
    case: String(row.case_name),
    block: Number(row.number),
    outcome: row.outcome as Outcome,
    ...(row.reason !== null && { reason: String(row.reason) }),
    startedAt: Number(row.started_at),
    endedAt: Number(row.ended_at),
    vms: Number(row.vms),
    phases: slowestPhases(journal, Number(row.id)),
  }))
}

function slowestPhases(journal: JournalReader, runId: number): Record<string, number> {
  const rows = journal.all(
    `SELECT phase, max(seconds) AS seconds FROM (
       SELECT phase, seq, lead(uptime) OVER (PARTITION BY vm_id ORDER BY seq) - uptime AS seconds
       FROM phases JOIN vms ON vms.id = vm_id WHERE run_id = ?)
     WHERE seconds IS NOT NULL GROUP BY phase ORDER BY min(seq)`,
    runId,
  )
  return Object.fromEntries(rows.map(({ phase, seconds }) => [String(phase), Number(seconds)]))
}
