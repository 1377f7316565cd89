import type { Journal } from './journal.ts'

export interface StudyRow {
  id: number
  name: string
  seed: number
}

export interface BlockRow {
  id: number
  number: number
}

/** The study of that name and content; begun, with the seed, when it is not there yet. */
export function recordStudy(
  journal: Journal,
  { name, hash, config, seed }: { name: string; hash: string; config: unknown; seed: number },
): StudyRow {
  const find = () =>
    journal.get('SELECT id, name, seed FROM studies WHERE name = ? AND hash = ?', name, hash)
  if (!find()) {
    journal.run(
      'INSERT INTO studies (name, hash, seed, config, created_at) VALUES (?, ?, ?, ?, ?)',
      name,
      hash,
      seed,
      JSON.stringify(config),
      journal.now(),
    )
  }
  return find() as unknown as StudyRow
}

/** The block of a study that has not ended, or the next one. */
export function openBlock(journal: Journal, studyId: number): BlockRow {
  const open = journal.get(
    'SELECT id, number FROM blocks WHERE study_id = ? AND ended_at IS NULL',
    studyId,
  )
  if (open) return open as unknown as BlockRow
  const last = journal.get('SELECT max(number) AS number FROM blocks WHERE study_id = ?', studyId)
  const number = Number(last?.number ?? 0) + 1
  const id = journal.run(
    'INSERT INTO blocks (study_id, number, started_at) VALUES (?, ?, ?)',
    studyId,
    number,
    journal.now(),
  )
  return { id, number }
}

/** Ends a block; with the reason why none of its runs counts, where there is one. */
export function endBlock(journal: Journal, blockId: number, voidReason?: string): void {
  journal.run(
    'UPDATE blocks SET ended_at = ?, void_reason = ? WHERE id = ?',
    journal.now(),
    voidReason ?? null,
    blockId,
  )
}

/** Blocks that ended and are not void. */
export function blocksEnded(journal: Journal, studyId: number): number {
  const row = journal.get(
    'SELECT count(*) AS n FROM blocks WHERE study_id = ? AND ended_at IS NOT NULL AND void_reason IS NULL',
    studyId,
  )
  return Number(row?.n)
}

/** The cases of a block that need no further run: each passed or failed once. */
export function casesDone(journal: Journal, blockId: number): Set<string> {
  const rows = journal.all(
    "SELECT DISTINCT case_name FROM runs WHERE block_id = ? AND outcome IN ('passed', 'failed')",
    blockId,
  )
  return new Set(rows.map((row) => String(row.case_name)))
}
