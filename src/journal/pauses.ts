import type { Journal, JournalReader } from './journal.ts'

// A study that is paused waits before its next run, until it is resumed: also by a kvmio that is started later.

/** Whether it was not paused before. */
export function pauseStudy(journal: Journal, study: string): boolean {
  if (isPaused(journal, study)) return false
  journal.run('INSERT INTO pauses (study, since) VALUES (?, ?)', study, journal.now())
  return true
}

/** Whether it was paused before. */
export function resumeStudy(journal: Journal, study: string): boolean {
  const was = isPaused(journal, study)
  journal.run('DELETE FROM pauses WHERE study = ?', study)
  return was
}

export function isPaused(journal: JournalReader, study: string): boolean {
  return journal.get('SELECT study FROM pauses WHERE study = ?', study) !== undefined
}
