import type { Journal, JournalReader } from './journal.ts'
import type { Outcome, PhaseRow } from './runs.ts'

export function vmStarted(journal: Journal, vmId: number, pid: number, startTicks: number): void {
  journal.run('UPDATE vms SET pid = ?, start_ticks = ? WHERE id = ?', pid, startTicks, vmId)
}

export function vmBooted(journal: Journal, vmId: number, bootTime: number): void {
  journal.run('UPDATE vms SET boot_time = ? WHERE id = ?', bootTime, vmId)
}

/** What the phase log held up to an offset, whole or not at all, so that a kill between two of them loses none. */
export function vmPhases(
  journal: Journal,
  vmId: number,
  phaseOffset: number,
  phases: readonly PhaseRow[],
): void {
  journal.transaction(() => {
    for (const { seq, phase, uptime } of phases) {
      journal.run(
        'INSERT OR IGNORE INTO phases (vm_id, seq, phase, uptime) VALUES (?, ?, ?, ?)',
        vmId,
        seq,
        phase,
        uptime,
      )
    }
    journal.run('UPDATE vms SET phase_offset = ? WHERE id = ?', phaseOffset, vmId)
  })
}

/** Keeps what a guest has told in full; told again, it takes the place of the first. */
export function vmResult(journal: Journal, vmId: number, name: string, content: string): void {
  journal.run(
    'INSERT OR REPLACE INTO results (vm_id, name, content) VALUES (?, ?, ?)',
    vmId,
    name,
    content,
  )
}

/** What the vms of a run have told under a name, in the vms' order. */
export function runResults(
  journal: JournalReader,
  runId: number,
  name: string,
): { vm: string; content: string }[] {
  return journal.all(
    `SELECT vms.name AS vm, content FROM results JOIN vms ON vms.id = vm_id
     WHERE run_id = ? AND results.name = ? ORDER BY vms.id`,
    runId,
    name,
  ) as unknown as { vm: string; content: string }[]
}

export function vmEnded(
  journal: Journal,
  vmId: number,
  outcome: Outcome,
  reason?: string,
  lastSample?: unknown,
): void {
  journal.run(
    'UPDATE vms SET outcome = ?, reason = ?, last_sample = ? WHERE id = ?',
    outcome,
    reason ?? null,
    lastSample === undefined ? null : JSON.stringify(lastSample),
    vmId,
  )
}
