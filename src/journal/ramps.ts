import { given, type Journal, type JournalReader, type Row } from './journal.ts'

export const RAMP_VERDICTS = ['met', 'missed', 'void'] as const
/** How one step of a ramp went; a void one says nothing of the tier. */
export type RampVerdict = (typeof RAMP_VERDICTS)[number]

export interface RampStart {
  tier: string
  guest: string
  /** Versions, host facts, workload, target. */
  manifest: unknown
  /** From before its first step. */
  prediction: unknown
}

export interface RampStep {
  /** From 1, in the order of time. */
  seq: number
  /** From 1. */
  repetition: number
  vms: number
  verdict: RampVerdict
  figures: unknown
}

export interface RampEnd {
  /** Vms that met the target in each repetition; absent when the ramp did not end well. */
  measured?: number
  /** What it came to: latency, or the limit that stopped it. */
  bound?: string
  /** Why it did not end well, or ended early. */
  reason?: string
}

/** One ramp as the journal has it. */
export interface RampRow extends RampStart, RampEnd {
  id: number
  steps: (RampStep & { endedAt: number })[]
  /** Unix seconds. */
  startedAt: number
  endedAt?: number
}

/** Writes a ramp down before its first step, with what is predicted of it; gives its id. */
export function recordRamp(
  journal: Journal,
  { tier, guest, manifest, prediction }: RampStart,
): number {
  return journal.run(
    'INSERT INTO ramps (tier, guest, manifest, prediction, started_at) VALUES (?, ?, ?, ?, ?)',
    tier,
    guest,
    JSON.stringify(manifest),
    JSON.stringify(prediction),
    journal.now(),
  )
}

export function recordRampStep(
  journal: Journal,
  ramp: number,
  { seq, repetition, vms, verdict, figures }: RampStep,
): void {
  journal.run(
    'INSERT INTO ramp_steps (ramp_id, seq, repetition, vms, verdict, figures, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ramp,
    seq,
    repetition,
    vms,
    verdict,
    JSON.stringify(figures),
    journal.now(),
  )
}

export function recordRampEnd(
  journal: Journal,
  ramp: number,
  { measured, bound, reason }: RampEnd,
): void {
  journal.run(
    'UPDATE ramps SET measured = ?, bound = ?, reason = ?, ended_at = ? WHERE id = ?',
    measured ?? null,
    bound ?? null,
    reason ?? null,
    journal.now(),
    ramp,
  )
}

/** Ends what a killed kvmio has left: its vms are gone, and a ramp is not taken up. Gives what they were of. */
export function abandonRamps(journal: Journal, reason: string): Pick<RampRow, 'tier' | 'guest'>[] {
  const open = journal.all('SELECT id, tier, guest FROM ramps WHERE ended_at IS NULL ORDER BY id')
  for (const { id } of open) recordRampEnd(journal, Number(id), { reason })
  return open.map(({ tier, guest }) => ({ tier: String(tier), guest: String(guest) }))
}

/** The newest ramp of a guest on a tier that ended well; undefined without one. */
export function lastRamp(journal: JournalReader, tier: string, guest: string): RampRow | undefined {
  const row = journal.get(
    'SELECT * FROM ramps WHERE tier = ? AND guest = ? AND measured IS NOT NULL ORDER BY id DESC LIMIT 1',
    tier,
    guest,
  )
  return row && rampOf(row, journal)
}

/** What ends a ramp without that anything was found to bind: what it measured is no density, but at least so many vms fit. */
const UNBOUND = ['time', 'max']

/** Whether a ramp found out how many vms fit. */
export function hasDensity({ measured, bound }: Pick<RampRow, 'measured' | 'bound'>): boolean {
  return measured !== undefined && !UNBOUND.includes(bound ?? '')
}

/** The newest of each guest on each tier that found out how many vms fit. */
export function lastRamps(journal: JournalReader): RampRow[] {
  const rows = journal.all(
    `SELECT * FROM ramps WHERE id IN
       (SELECT max(id) FROM ramps
        WHERE measured IS NOT NULL AND bound NOT IN (SELECT value FROM json_each(?))
        GROUP BY tier, guest) ORDER BY id`,
    JSON.stringify(UNBOUND),
  )
  return rows.map((row) => rampOf(row, journal))
}

/** All of them, in the order of their starts. */
export function allRamps(journal: JournalReader): RampRow[] {
  return journal.all('SELECT * FROM ramps ORDER BY id').map((row) => rampOf(row, journal))
}

function rampOf(row: Row, journal: JournalReader): RampRow {
  const { id, tier, guest, manifest, prediction, measured, bound, reason } = row
  const steps = journal.all('SELECT * FROM ramp_steps WHERE ramp_id = ? ORDER BY seq', id!)
  const density = given(measured)
  const endedAt = given(row.ended_at)
  return {
    id: Number(id),
    tier: String(tier),
    guest: String(guest),
    manifest: JSON.parse(String(manifest)),
    prediction: JSON.parse(String(prediction)),
    ...(density !== undefined && { measured: density }),
    ...(bound !== null && { bound: String(bound) }),
    ...(reason !== null && { reason: String(reason) }),
    startedAt: Number(row.started_at),
    ...(endedAt !== undefined && { endedAt }),
    steps: steps.map((step) => ({
      seq: Number(step.seq),
      repetition: Number(step.repetition),
      vms: Number(step.vms),
      verdict: String(step.verdict) as RampVerdict,
      figures: JSON.parse(String(step.figures)),
      endedAt: Number(step.ended_at),
    })),
  }
}
