import { given, type Journal, type JournalReader, type Row } from './journal.ts'

/** One calibration as the journal has it. */
export interface CalibrationRow {
  id: number
  tier: string
  /** Versions, host facts, what the tier stands on. */
  manifest: unknown
  /** What it came to; absent until it has ended well. */
  result?: unknown
  /** Why it did not end well. */
  reason?: string
  /** Unix seconds. */
  startedAt: number
  endedAt?: number
}

/** Writes a calibration down before anything is made for it; gives its id. */
export function recordCalibration(
  journal: Journal,
  { tier, manifest }: Pick<CalibrationRow, 'tier' | 'manifest'>,
): number {
  return journal.run(
    'INSERT INTO calibrations (tier, manifest, started_at) VALUES (?, ?, ?)',
    tier,
    JSON.stringify(manifest),
    journal.now(),
  )
}

/** Ends it, with its result or with the reason why there is none; one that has ended already is left as it is. */
export function endCalibration(
  journal: Journal,
  id: number,
  { result, reason }: Pick<CalibrationRow, 'result' | 'reason'>,
): void {
  journal.run(
    'UPDATE calibrations SET result = ?, reason = ?, ended_at = ? WHERE id = ? AND ended_at IS NULL',
    result === undefined ? null : JSON.stringify(result),
    reason ?? null,
    journal.now(),
    id,
  )
}

/** Ends those that a killed kvmio has left; gives their tiers. */
export function abandonCalibrations(journal: Journal, reason: string): string[] {
  return journal.transaction(() => {
    const left = journal.all('SELECT id, tier FROM calibrations WHERE ended_at IS NULL ORDER BY id')
    for (const { id } of left) endCalibration(journal, Number(id), { reason })
    return left.map(({ tier }) => String(tier))
  })
}

/** Those of a tier that ended well, the newest first. */
export function goodCalibrations(journal: JournalReader, tier: string): CalibrationRow[] {
  return journal
    .all(
      'SELECT * FROM calibrations WHERE tier = ? AND result IS NOT NULL ORDER BY ended_at DESC, id DESC',
      tier,
    )
    .map(rowOf)
}

/** All of a tier, in the order of their starts. */
export function calibrationsOf(journal: JournalReader, tier: string): CalibrationRow[] {
  return journal.all('SELECT * FROM calibrations WHERE tier = ? ORDER BY id', tier).map(rowOf)
}

function rowOf(row: Row): CalibrationRow {
  const endedAt = given(row.ended_at)
  return {
    id: Number(row.id),
    tier: String(row.tier),
    manifest: JSON.parse(String(row.manifest)),
    ...(row.result !== null && { result: JSON.parse(String(row.result)) }),
    ...(row.reason !== null && { reason: String(row.reason) }),
    startedAt: Number(row.started_at),
    ...(endedAt !== undefined && { endedAt }),
  }
}
