import { given, type Journal, type JournalReader, type Row } from './journal.ts'
import { type LayerCount, recordCounts } from './layer-counts.ts'

/** How a run can end. */
export const OUTCOMES = ['passed', 'failed', 'abandoned', 'void'] as const

/** How a run ended; a void one ended well, and its figures are not those of its case. */
export type Outcome = (typeof OUTCOMES)[number]

export interface RunStart {
  blockId: number
  caseName: string
  factors: unknown
  manifest: unknown
  /** One a vm: its name and all that its argv is made from. */
  vms: readonly { name: string; plan: unknown }[]
}

export interface RunEnd {
  outcome: Outcome
  reason?: string
  /** What was found of the host and the counts. */
  findings?: unknown
  counts?: readonly LayerCount[]
}

/** A run that was begun and not finished by a kvmio that was killed. */
export interface UnfinishedRun {
  id: number
  study: string
  block: number
  caseName: string
  /** Unix seconds. */
  startedAt: number
  baseline?: unknown
  vms: UnfinishedVm[]
}

export interface UnfinishedVm {
  id: number
  name: string
  plan: unknown
  pid?: number
  startTicks?: number
  bootTime?: number
  phaseOffset: number
  outcome?: Outcome
  phases: PhaseRow[]
}

export interface PhaseRow {
  seq: number
  phase: string
  /** Seconds since the guest's boot. */
  uptime: number
}

/** Writes the run and its vms down before anything is started; gives the run's id and each vm's, in order. */
export function recordStart(
  journal: Journal,
  { blockId, caseName, factors, manifest, vms }: RunStart,
): { id: number; startedAt: number; vmIds: number[] } {
  return journal.transaction(() => {
    const startedAt = journal.now()
    const id = journal.run(
      'INSERT INTO runs (block_id, case_name, factors, manifest, started_at) VALUES (?, ?, ?, ?, ?)',
      blockId,
      caseName,
      JSON.stringify(factors),
      JSON.stringify(manifest),
      startedAt,
    )
    const vmIds = vms.map(({ name, plan }) =>
      journal.run(
        'INSERT INTO vms (run_id, name, plan) VALUES (?, ?, ?)',
        id,
        name,
        JSON.stringify(plan),
      ),
    )
    return { id, startedAt, vmIds }
  })
}

/** Keeps how the host stood just before a run's vms started, for a later kvmio too. */
export function recordBaseline(journal: Journal, runId: number, baseline: unknown): void {
  journal.run('UPDATE runs SET baseline = ? WHERE id = ?', JSON.stringify(baseline), runId)
}

/** Ends a run, with all that is known of it or nothing of it; one that has ended already is left as it is. */
export function recordEnd(
  journal: Journal,
  runId: number,
  { outcome, reason, findings, counts = [] }: RunEnd,
): void {
  journal.transaction(() => {
    if (!journal.get('SELECT id FROM runs WHERE id = ? AND outcome IS NULL', runId)) return
    journal.run(
      'UPDATE runs SET outcome = ?, reason = ?, findings = ?, ended_at = ? WHERE id = ?',
      outcome,
      reason ?? null,
      findings === undefined ? null : JSON.stringify(findings),
      journal.now(),
      runId,
    )
    recordCounts(journal, runId, counts)
  })
}

export function unfinishedRuns(journal: JournalReader): UnfinishedRun[] {
  const runs = journal.all(
    `SELECT runs.id, studies.name AS study, blocks.number AS block, case_name, runs.started_at, baseline
     FROM runs JOIN blocks ON blocks.id = block_id JOIN studies ON studies.id = study_id
     WHERE outcome IS NULL ORDER BY runs.id`,
  )
  return runs.map((run) => ({
    id: Number(run.id),
    study: String(run.study),
    block: Number(run.block),
    caseName: String(run.case_name),
    startedAt: Number(run.started_at),
    ...(run.baseline !== null && { baseline: JSON.parse(String(run.baseline)) }),
    vms: journal
      .all('SELECT * FROM vms WHERE run_id = ? ORDER BY id', Number(run.id))
      .map((vm) => unfinishedVm(journal, vm)),
  }))
}

function unfinishedVm(journal: JournalReader, row: Row): UnfinishedVm {
  const id = Number(row.id)
  return {
    id,
    name: String(row.name),
    plan: JSON.parse(String(row.plan)),
    pid: given(row.pid),
    startTicks: given(row.start_ticks),
    bootTime: given(row.boot_time),
    phaseOffset: Number(row.phase_offset),
    outcome: (row.outcome ?? undefined) as Outcome | undefined,
    phases: journal.all(
      'SELECT seq, phase, uptime FROM phases WHERE vm_id = ? ORDER BY seq',
      id,
    ) as unknown as PhaseRow[],
  }
}
