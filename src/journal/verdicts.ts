import type { Journal, JournalReader } from './journal.ts'

/** What was found when a thing was tried on this host, unless what it depends on has changed since. */
export function hostVerdict<T>(
  journal: JournalReader,
  subject: string,
  fingerprint: string,
): T | undefined {
  const row = journal.get(
    'SELECT verdict FROM host_verdicts WHERE subject = ? AND fingerprint = ?',
    subject,
    fingerprint,
  )
  return row && (JSON.parse(String(row.verdict)) as T)
}

export function setHostVerdict(
  journal: Journal,
  subject: string,
  fingerprint: string,
  verdict: unknown,
): void {
  journal.run(
    'INSERT OR REPLACE INTO host_verdicts (subject, fingerprint, verdict, tried_at) VALUES (?, ?, ?, ?)',
    subject,
    fingerprint,
    JSON.stringify(verdict),
    journal.now(),
  )
}
