import type { Journal } from './journal.ts'

export interface SampleLimits {
  /** Seconds; without a limit when absent. */
  age?: number
  /** Bytes; without a limit when absent. */
  size?: number
}

/**
 * Removes the seconds of runs that ended longer ago than the limit, and of the oldest while there are more than the
 * limit. What else is known of the runs stays. Gives how many runs have lost theirs.
 */
export function pruneSamples(journal: Journal, { age, size }: SampleLimits): number {
  const old = journal.all(
    `SELECT DISTINCT run_id AS id FROM series JOIN runs ON runs.id = run_id WHERE ended_at < ?`,
    age === undefined ? 0 : journal.now() - age,
  )
  const removed = old.map(({ id }) => Number(id))
  for (const id of removed) removeSamples(journal, id)
  const left = journal.all(
    `SELECT run_id AS id, count(*) AS samples FROM samples
     JOIN series ON series.id = series_id JOIN runs ON runs.id = run_id
     WHERE ended_at IS NOT NULL GROUP BY run_id ORDER BY run_id`,
  )
  // SQLite's own count of the pages; those that are freed here take what comes next.
  let bytes = Number(
    journal.get("SELECT sum(pgsize) AS bytes FROM dbstat WHERE name = 'samples'")?.bytes ?? 0,
  )
  const bytesOfOne = bytes / left.reduce((sum, { samples }) => sum + Number(samples), 0)
  for (const { id, samples } of left) {
    if (size === undefined || bytes <= size) break
    removeSamples(journal, Number(id))
    removed.push(Number(id))
    bytes -= Number(samples) * bytesOfOne
  }
  return removed.length
}

function removeSamples(journal: Journal, runId: number): void {
  journal.transaction(() => {
    journal.run(
      'DELETE FROM samples WHERE series_id IN (SELECT id FROM series WHERE run_id = ?)',
      runId,
    )
    journal.run('DELETE FROM series WHERE run_id = ?', runId)
  })
}
