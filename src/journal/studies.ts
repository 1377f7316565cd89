import type { Journal, JournalReader } from './journal.ts'
import type { Outcome } from './runs.ts'

export interface StudyRow {
  id: number
  name: string
  seed: number
}

/** A case that is not run, and what it lacks. */
export interface SkippedCase {
  case: string
  reason: string
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

/** Cases that an execution leaves out, and why; those of the one before are forgotten. */
export function recordSkipped(
  journal: Journal,
  studyId: number,
  skipped: readonly SkippedCase[],
): void {
  journal.run('UPDATE studies SET skipped = ? WHERE id = ?', JSON.stringify(skipped), studyId)
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

export function endBlock(journal: Journal, blockId: number): void {
  journal.run('UPDATE blocks SET ended_at = ? WHERE id = ?', journal.now(), blockId)
}

/** Says why none of a block's runs counts. */
export function voidBlock(journal: Journal, blockId: number, reason: string): void {
  journal.run('UPDATE blocks SET void_reason = ? WHERE id = ?', reason, blockId)
}

/** Blocks that ended and are not void. */
export function blocksEnded(journal: JournalReader, studyId: number): number {
  const row = journal.get(
    'SELECT count(*) AS n FROM blocks WHERE study_id = ? AND ended_at IS NOT NULL AND void_reason IS NULL',
    studyId,
  )
  return Number(row?.n)
}

/** How many of the blocks that ended last are void, and why the last one is. */
export function voidBlocksInRow(
  journal: JournalReader,
  studyId: number,
): { count: number; reason: string } {
  const rows = journal.all(
    'SELECT void_reason FROM blocks WHERE study_id = ? AND ended_at IS NOT NULL ORDER BY number DESC',
    studyId,
  )
  const good = rows.findIndex(({ void_reason }) => void_reason === null)
  return {
    count: good === -1 ? rows.length : good,
    reason: String(rows[0]?.void_reason ?? ''),
  }
}

/** The runs of a block that have ended, in the order of their starts. */
export function blockRuns(
  journal: JournalReader,
  blockId: number,
): { caseName: string; outcome: Outcome }[] {
  return journal.all(
    'SELECT case_name AS caseName, outcome FROM runs WHERE block_id = ? AND outcome IS NOT NULL ORDER BY id',
    blockId,
  ) as unknown as { caseName: string; outcome: Outcome }[]
}

/** How many runs of a study passed or failed, in blocks that are not void. */
export function runsDone(journal: JournalReader, studyId: number): number {
  const row = journal.get(
    `SELECT count(*) AS n FROM runs JOIN blocks ON blocks.id = block_id
     WHERE study_id = ? AND void_reason IS NULL AND outcome IN ('passed', 'failed')`,
    studyId,
  )
  return Number(row?.n)
}
