import { given, type JournalReader, type Row } from './journal.ts'
import { countsOf, type LayerCount } from './layer-counts.ts'
import type { Outcome } from './runs.ts'
import { type SampleSeries, samplesOf } from './samples.ts'
import type { SkippedCase } from './studies.ts'

/** A study as the journal has it. Times are Unix seconds unless they say otherwise. */
export interface StudyRecord {
  id: number
  name: string
  /** Of what the study and its guest say. */
  hash: string
  seed: number
  /** The study and its guest as they were, with every default filled in. */
  config: unknown
  createdAt: number
  /** Cases that its last execution left out; absent where none has told. */
  skipped?: SkippedCase[]
  blocks: BlockRecord[]
}

export interface BlockRecord {
  /** From 1. */
  number: number
  startedAt: number
  /** Absent while it goes on. */
  endedAt?: number
  /** Why none of its runs counts: its reference case drifted. */
  voidReason?: string
  runs: RunRecord[]
}

export interface RunRecord {
  id: number
  case: string
  factors: Record<string, string | number | boolean>
  /** Absent while it goes on. */
  outcome?: Outcome
  /** Why it did not pass. */
  reason?: string
  startedAt: number
  endedAt?: number
  /** Versions, host facts, tiers. */
  manifest: unknown
  /** How the host stood before its vms started. */
  baseline?: unknown
  /** What was found of the host and the counts at its end. */
  findings?: unknown
  /** Of devices: from just before the vms started until what they wrote was on it. Those of vms stand with them. */
  counts: LayerCount[]
  vms: VmRecord[]
  /** Empty where they were not asked for, or have been removed since. */
  samples: SampleSeries[]
}

export interface VmRecord {
  name: string
  outcome?: Outcome
  reason?: string
  /** When the guest's uptime was 0. */
  bootTime?: number
  /** All that its argv was made from. */
  plan: unknown
  phases: PhaseRecord[]
  /** The counters after power-off as qemu and the guest gave them. */
  lastSample?: unknown
  counts: LayerCount[]
  /** What the guest's programs reported, by name: fio. */
  results: Record<string, string>
}

export interface PhaseRecord {
  phase: string
  /** When it began, seconds since the guest's boot. */
  uptime: number
  /** When it began, seconds since the run began; absent while the guest's boot time is not known. */
  at?: number
  /** How long it took; absent for the last one, "off". */
  seconds?: number
}

export interface StudySummaryRow {
  id: number
  name: string
  hash: string
  createdAt: number
  /** Runs that have ended. */
  runs: number
}

/** The studies that a journal has, the newest first; a name comes back for each content that it had. */
export function listStudies(journal: JournalReader): StudySummaryRow[] {
  return journal
    .all(
      `SELECT id, name, hash, created_at,
         (SELECT count(*) FROM runs JOIN blocks ON blocks.id = block_id
          WHERE study_id = studies.id AND outcome IS NOT NULL) AS runs
       FROM studies ORDER BY created_at DESC, id DESC`,
    )
    .map(({ id, name, hash, created_at, runs }) => ({
      id: Number(id),
      name: String(name),
      hash: String(hash),
      createdAt: Number(created_at),
      runs: Number(runs),
    }))
}

/**
 * The study of that name with all its runs; of several, the one whose run began last. Undefined when there is none.
 * `hash` (or its beginning) takes another of them.
 */
export function readStudy(
  journal: JournalReader,
  name: string,
  { hash = '', samples = false }: { hash?: string; samples?: boolean } = {},
): StudyRecord | undefined {
  const row = journal.get(
    `SELECT studies.* FROM studies LEFT JOIN blocks ON study_id = studies.id LEFT JOIN runs ON block_id = blocks.id
     WHERE name = ? AND substr(hash, 1, length(?)) = ?
     ORDER BY runs.started_at DESC NULLS LAST, created_at DESC LIMIT 1`,
    name,
    hash,
    hash,
  )
  return row && studyRecord(journal, row, samples)
}

function studyRecord(journal: JournalReader, row: Row, samples: boolean): StudyRecord {
  const blocks = journal.all(
    'SELECT * FROM blocks WHERE study_id = ? ORDER BY number',
    Number(row.id),
  )
  return {
    id: Number(row.id),
    name: String(row.name),
    hash: String(row.hash),
    seed: Number(row.seed),
    config: parsed(row.config),
    createdAt: Number(row.created_at),
    ...(typeof row.skipped === 'string' && { skipped: JSON.parse(row.skipped) as SkippedCase[] }),
    blocks: blocks.map((block) => ({
      number: Number(block.number),
      startedAt: Number(block.started_at),
      endedAt: given(block.ended_at),
      voidReason: text(block.void_reason),
      runs: journal
        .all('SELECT * FROM runs WHERE block_id = ? ORDER BY id', Number(block.id))
        .map((run) => runRecord(journal, run, samples)),
    })),
  }
}

function runRecord(journal: JournalReader, row: Row, samples: boolean): RunRecord {
  const id = Number(row.id)
  const startedAt = Number(row.started_at)
  const counts = countsOf(journal, id)
  const vms = journal.all('SELECT * FROM vms WHERE run_id = ? ORDER BY id', id)
  return {
    id,
    case: String(row.case_name),
    factors: parsed(row.factors) as RunRecord['factors'],
    outcome: text(row.outcome) as Outcome | undefined,
    reason: text(row.reason),
    startedAt,
    endedAt: given(row.ended_at),
    manifest: parsed(row.manifest),
    baseline: parsed(row.baseline),
    findings: parsed(row.findings),
    counts: counts.filter(({ vmId }) => vmId === undefined),
    vms: vms.map((vm) => vmRecord(journal, vm, startedAt, counts)),
    samples: samples ? samplesOf(journal, id) : [],
  }
}

function vmRecord(
  journal: JournalReader,
  row: Row,
  runStartedAt: number,
  counts: readonly LayerCount[],
): VmRecord {
  const id = Number(row.id)
  const bootTime = given(row.boot_time)
  const results = journal.all('SELECT name, content FROM results WHERE vm_id = ?', id)
  return {
    name: String(row.name),
    outcome: text(row.outcome) as Outcome | undefined,
    reason: text(row.reason),
    bootTime,
    plan: parsed(row.plan),
    phases: phasesOf(journal, id, bootTime === undefined ? undefined : bootTime - runStartedAt),
    lastSample: parsed(row.last_sample),
    counts: counts.filter(({ vmId }) => vmId === id),
    results: Object.fromEntries(results.map(({ name, content }) => [name, String(content)])),
  }
}

/** `boot` is when the guest's uptime was 0, in seconds since the run began. */
function phasesOf(journal: JournalReader, vmId: number, boot: number | undefined): PhaseRecord[] {
  const rows = journal.all('SELECT phase, uptime FROM phases WHERE vm_id = ? ORDER BY seq', vmId)
  return rows.map((row, index) => {
    const uptime = Number(row.uptime)
    const next = rows[index + 1]
    return {
      phase: String(row.phase),
      uptime,
      at: boot === undefined ? undefined : rounded(boot + uptime),
      seconds: next && rounded(Number(next.uptime) - uptime),
    }
  })
}

/** A difference of two clocks' readings has digits that neither clock has. */
function rounded(seconds: number): number {
  return Math.round(seconds * 1e6) / 1e6
}

function text(value: Row[string] | undefined): string | undefined {
  return value === null || value === undefined ? undefined : String(value)
}

function parsed(value: Row[string] | undefined): unknown {
  return value === null || value === undefined ? undefined : JSON.parse(String(value))
}
