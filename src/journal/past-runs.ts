import { given, type JournalReader, type Row } from './journal.ts'
import { countsOf, type LayerCount } from './layer-counts.ts'

/** What the journal knows of a run of some vms of one guest, for who asks what such a vm takes. */
export interface PastRun {
  id: number
  /** How long it took, seconds. */
  seconds: number
  /** The share of the processors' time that was busy while the vms did what is measured. */
  cpuBusy?: number
  vms: PastVm[]
}

export interface PastVm {
  name: string
  /** All that its argv was made from, as JSON has it. */
  plan: unknown
  /** The counters after power-off; absent where there are none. */
  lastSample?: unknown
  /** What qemu counted, by drive. */
  counts: LayerCount[]
  /** When it began, in seconds since the run began; of a vm whose boot time is not known there are none. */
  phases: { phase: string; at: number }[]
  /** Its seconds, in order; none when they have been removed since. */
  samples: { at: number; transactions: number }[]
}

export interface PastRunsOptions {
  /** Vms that the run had at the most: among many each asks for what the others leave it. */
  mostVms: number
  /** Of the newest runs, how many are looked through. */
  among: number
  /** How many of them are wanted. */
  most: number
}

/** Runs that passed and whose vms were all of that guest, the newest first. */
export function pastRuns(
  journal: JournalReader,
  guest: string,
  { mostVms, among, most }: PastRunsOptions,
): PastRun[] {
  const rows = journal.all(
    `SELECT id, started_at, ended_at, findings FROM (SELECT * FROM runs ORDER BY id DESC LIMIT ?) AS newest
     WHERE outcome = 'passed' AND (
       SELECT count(*) BETWEEN 1 AND ? AND min(json_extract(plan, '$.guest') IS ?)
       FROM vms WHERE run_id = newest.id)
     ORDER BY id DESC LIMIT ?`,
    among,
    mostVms,
    guest,
    most,
  )
  return rows.map((row) => runOf(journal, row))
}

function runOf(journal: JournalReader, { id, started_at, ended_at, findings }: Row): PastRun {
  const counts = countsOf(journal, Number(id)).filter(({ layer }) => layer === 'qemu')
  const vms = journal.all('SELECT * FROM vms WHERE run_id = ? ORDER BY id', id!)
  const parsed = parse(findings) as { cpu?: { busy?: number } } | undefined
  const cpuBusy = parsed?.cpu?.busy
  return {
    id: Number(id),
    seconds: Number(ended_at) - Number(started_at),
    ...(cpuBusy !== undefined && { cpuBusy }),
    vms: vms.map((vm) => vmOf(journal, vm, Number(started_at), counts)),
  }
}

function vmOf(
  journal: JournalReader,
  { id, run_id, name, plan, boot_time, last_sample }: Row,
  startedAt: number,
  counts: readonly LayerCount[],
): PastVm {
  const bootTime = given(boot_time)
  const phases = journal.all('SELECT phase, uptime FROM phases WHERE vm_id = ? ORDER BY seq', id!)
  const samples = journal.all(
    `SELECT at, transactions FROM samples JOIN series ON series.id = series_id
     WHERE run_id = ? AND kind = 'vm' AND name = ? ORDER BY at`,
    run_id!,
    name!,
  )
  const lastSample = parse(last_sample)
  return {
    name: String(name),
    plan: parse(plan),
    ...(lastSample !== undefined && { lastSample }),
    counts: counts.filter(({ vmId }) => vmId === Number(id)),
    phases:
      bootTime === undefined
        ? []
        : phases.map(({ phase, uptime }) => ({
            phase: String(phase),
            at: bootTime + Number(uptime) - startedAt,
          })),
    samples: samples.map(({ at, transactions }) => ({
      at: Number(at),
      transactions: Number(transactions),
    })),
  }
}

function parse(value: Row[string] | undefined): unknown {
  return value === null || value === undefined ? undefined : JSON.parse(String(value))
}
