import type { Journal, JournalReader } from './journal.ts'

export type SeriesKind = 'vm' | 'device'

/** One second of one vm or device. */
export interface SampleRow {
  kind: SeriesKind
  name: string
  /** The end of the second, in seconds since the run began. */
  at: number
  /** Per second. */
  transactions: number
}

/** The seconds of a run of one vm or device, in order. */
export interface SampleSeries {
  kind: SeriesKind
  name: string
  /** The ends of the seconds, in seconds since the run began. */
  at: number[]
  /** Transactions per second. */
  transactions: number[]
}

/** Writes many at once: a transaction each second would be a load of its own. */
export function recordSamples(journal: Journal, runId: number, rows: readonly SampleRow[]): void {
  if (rows.length === 0) return
  journal.transaction(() => {
    for (const { kind, name, at, transactions } of rows) {
      journal.run(
        'INSERT OR IGNORE INTO series (run_id, kind, name) VALUES (?, ?, ?)',
        runId,
        kind,
        name,
      )
      journal.run(
        `INSERT OR IGNORE INTO samples (series_id, at, transactions)
         SELECT id, ?, ? FROM series WHERE run_id = ? AND kind = ? AND name = ?`,
        at,
        transactions,
        runId,
        kind,
        name,
      )
    }
  })
}

/** The seconds of a run; none when they have been removed since. */
export function samplesOf(journal: JournalReader, runId: number): SampleSeries[] {
  const series = journal.all(
    'SELECT id, kind, name FROM series WHERE run_id = ? ORDER BY id',
    runId,
  )
  return series.map(({ id, kind, name }) => {
    const rows = journal.all(
      'SELECT at, transactions FROM samples WHERE series_id = ? ORDER BY at',
      Number(id),
    )
    return {
      kind: kind as SeriesKind,
      name: String(name),
      at: rows.map(({ at }) => Number(at)),
      transactions: rows.map(({ transactions }) => Number(transactions)),
    }
  })
}
