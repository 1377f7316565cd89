import { closeSync, openSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { KvmioError, messageOf } from '../lib/errors.ts'
import { migrate } from './schema.ts'

export const OUTCOMES = ['passed', 'failed', 'abandoned'] as const

/** How a run or a vm ended. */
export type Outcome = (typeof OUTCOMES)[number]

export interface StudyRow {
  id: number
  name: string
  seed: number
}

export interface BlockRow {
  id: number
  number: number
}

export interface RunStart {
  blockId: number
  caseName: string
  factors: unknown
  manifest: unknown
  /** One a vm: its name and all that its argv is made from. */
  vms: readonly { name: string; plan: unknown }[]
}

/** A run that was begun and not finished by a kvmio that was killed. */
export interface UnfinishedRun {
  id: number
  study: string
  block: number
  caseName: string
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

export interface PhaseDuration {
  study: string
  case: string
  run: number
  vm: string
  phase: string
  seconds: number
}

export type Row = Record<string, string | number | null>

/** What can be asked of a journal, whether it is open for writing or not. */
export interface JournalReader {
  all(sql: string, ...values: SQLInputValue[]): Row[]
}

/** The SQLite file that outlives every kvmio: one writer, a row before each run starts and when it ends. */
export class Journal implements JournalReader {
  readonly #db: DatabaseSync
  readonly #now: () => number

  /** Opens or creates it. `now` gives Unix seconds. */
  constructor(file: string, now: () => number = () => Date.now() / 1000) {
    this.#now = now
    this.#db = openDatabase(file)
  }

  close(): void {
    this.#db.close()
  }

  /** The study of that name and content; begun, with the seed, when it is not there yet. */
  study(name: string, hash: string, config: unknown, seed: number): StudyRow {
    const find = () =>
      this.#get('SELECT id, name, seed FROM studies WHERE name = ? AND hash = ?', name, hash)
    if (!find()) {
      this.#run(
        'INSERT INTO studies (name, hash, seed, config, created_at) VALUES (?, ?, ?, ?, ?)',
        name,
        hash,
        seed,
        JSON.stringify(config),
        this.#now(),
      )
    }
    return find() as unknown as StudyRow
  }

  /** The block of a study that has not ended, or the next one. */
  openBlock(studyId: number): BlockRow {
    const open = this.#get(
      'SELECT id, number FROM blocks WHERE study_id = ? AND ended_at IS NULL',
      studyId,
    )
    if (open) return open as unknown as BlockRow
    const number = this.blocksEnded(studyId) + 1
    const id = this.#run(
      'INSERT INTO blocks (study_id, number, started_at) VALUES (?, ?, ?)',
      studyId,
      number,
      this.#now(),
    )
    return { id, number }
  }

  endBlock(blockId: number): void {
    this.#run('UPDATE blocks SET ended_at = ? WHERE id = ?', this.#now(), blockId)
  }

  blocksEnded(studyId: number): number {
    const row = this.#get(
      'SELECT count(*) AS n FROM blocks WHERE study_id = ? AND ended_at IS NOT NULL',
      studyId,
    )
    return Number(row?.n)
  }

  /** The cases of a block that need no further run: each passed or failed once. */
  casesDone(blockId: number): Set<string> {
    const rows = this.#all(
      "SELECT DISTINCT case_name FROM runs WHERE block_id = ? AND outcome IN ('passed', 'failed')",
      blockId,
    )
    return new Set(rows.map((row) => String(row.case_name)))
  }

  /** Writes the run and its vms down before anything is started; gives the run's id and each vm's, in order. */
  startRun({ blockId, caseName, factors, manifest, vms }: RunStart): {
    id: number
    vmIds: number[]
  } {
    return this.#transaction(() => {
      const id = this.#run(
        'INSERT INTO runs (block_id, case_name, factors, manifest, started_at) VALUES (?, ?, ?, ?, ?)',
        blockId,
        caseName,
        JSON.stringify(factors),
        JSON.stringify(manifest),
        this.#now(),
      )
      const vmIds = vms.map(({ name, plan }) =>
        this.#run(
          'INSERT INTO vms (run_id, name, plan) VALUES (?, ?, ?)',
          id,
          name,
          JSON.stringify(plan),
        ),
      )
      return { id, vmIds }
    })
  }

  vmStarted(vmId: number, pid: number, startTicks: number): void {
    this.#run('UPDATE vms SET pid = ?, start_ticks = ? WHERE id = ?', pid, startTicks, vmId)
  }

  vmBooted(vmId: number, bootTime: number): void {
    this.#run('UPDATE vms SET boot_time = ? WHERE id = ?', bootTime, vmId)
  }

  /** What the phase log held up to an offset, whole or not at all, so that a kill between two of them loses none. */
  vmPhases(vmId: number, phaseOffset: number, phases: readonly PhaseRow[]): void {
    this.#transaction(() => {
      for (const { seq, phase, uptime } of phases) {
        this.#run(
          'INSERT OR IGNORE INTO phases (vm_id, seq, phase, uptime) VALUES (?, ?, ?, ?)',
          vmId,
          seq,
          phase,
          uptime,
        )
      }
      this.#run('UPDATE vms SET phase_offset = ? WHERE id = ?', phaseOffset, vmId)
    })
  }

  /** Keeps what a guest has told in full; told again, it takes the place of the first. */
  vmResult(vmId: number, name: string, content: string): void {
    this.#run(
      'INSERT OR REPLACE INTO results (vm_id, name, content) VALUES (?, ?, ?)',
      vmId,
      name,
      content,
    )
  }

  /** What the vms of a run have told under a name, in the vms' order. */
  runResults(runId: number, name: string): { vm: string; content: string }[] {
    return this.#all(
      `SELECT vms.name AS vm, content FROM results JOIN vms ON vms.id = vm_id
       WHERE run_id = ? AND results.name = ? ORDER BY vms.id`,
      runId,
      name,
    ) as unknown as { vm: string; content: string }[]
  }

  vmEnded(vmId: number, outcome: Outcome, reason?: string, lastSample?: unknown): void {
    this.#run(
      'UPDATE vms SET outcome = ?, reason = ?, last_sample = ? WHERE id = ?',
      outcome,
      reason ?? null,
      lastSample === undefined ? null : JSON.stringify(lastSample),
      vmId,
    )
  }

  /** Ends a run; one that has ended already is left as it is. */
  endRun(runId: number, outcome: Outcome, reason?: string): void {
    this.#run(
      'UPDATE runs SET outcome = ?, reason = ?, ended_at = ? WHERE id = ? AND outcome IS NULL',
      outcome,
      reason ?? null,
      this.#now(),
      runId,
    )
  }

  unfinishedRuns(): UnfinishedRun[] {
    const runs = this.#all(
      `SELECT runs.id, studies.name AS study, blocks.number AS block, case_name FROM runs
       JOIN blocks ON blocks.id = block_id JOIN studies ON studies.id = study_id
       WHERE outcome IS NULL ORDER BY runs.id`,
    )
    return runs.map((run) => ({
      id: Number(run.id),
      study: String(run.study),
      block: Number(run.block),
      caseName: String(run.case_name),
      vms: this.#all('SELECT * FROM vms WHERE run_id = ? ORDER BY id', Number(run.id)).map((vm) =>
        this.#vm(vm),
      ),
    }))
  }

  /** Runs that ended, by study and outcome. */
  runCounts(): { study: string; outcome: Outcome; runs: number }[] {
    return this.#all(
      `SELECT studies.name AS study, outcome, count(*) AS runs FROM runs
       JOIN blocks ON blocks.id = block_id JOIN studies ON studies.id = study_id
       WHERE outcome IS NOT NULL GROUP BY studies.name, outcome`,
    ) as unknown as { study: string; outcome: Outcome; runs: number }[]
  }

  /** Blocks that ended, by study. */
  blockCounts(): { study: string; blocks: number }[] {
    return this.#all(
      `SELECT name AS study, count(*) AS blocks FROM blocks JOIN studies ON studies.id = study_id
       WHERE ended_at IS NOT NULL GROUP BY name`,
    ) as unknown as { study: string; blocks: number }[]
  }

  /** The id of the first run that has not ended: all before it have, whatever ends next. */
  firstUnfinishedRun(): number | undefined {
    return given(this.#get('SELECT min(id) AS id FROM runs WHERE outcome IS NULL')?.id)
  }

  /** How long each phase of each vm took in the runs after `afterRun` that passed, by the guest's clock. */
  phaseDurations(afterRun: number): PhaseDuration[] {
    return this.#all(
      `SELECT studies.name AS study, case_name AS "case", runs.id AS run, vms.name AS vm, phase,
              lead(uptime) OVER (PARTITION BY vms.id ORDER BY seq) - uptime AS seconds
       FROM phases JOIN vms ON vms.id = vm_id JOIN runs ON runs.id = run_id
       JOIN blocks ON blocks.id = block_id JOIN studies ON studies.id = study_id
       WHERE runs.outcome = 'passed' AND runs.id > ? ORDER BY runs.id, vms.id, seq`,
      afterRun,
    ).filter((row) => row.seconds !== null) as unknown as PhaseDuration[]
  }

  /** What was found when a thing was tried on this host, unless what it depends on has changed since. */
  hostVerdict<T>(subject: string, fingerprint: string): T | undefined {
    const row = this.#get(
      'SELECT verdict FROM host_verdicts WHERE subject = ? AND fingerprint = ?',
      subject,
      fingerprint,
    )
    return row && (JSON.parse(String(row.verdict)) as T)
  }

  setHostVerdict(subject: string, fingerprint: string, verdict: unknown): void {
    this.#run(
      'INSERT OR REPLACE INTO host_verdicts (subject, fingerprint, verdict, tried_at) VALUES (?, ?, ?, ?)',
      subject,
      fingerprint,
      JSON.stringify(verdict),
      this.#now(),
    )
  }

  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#all(sql, ...values)
  }

  #vm(row: Row): UnfinishedVm {
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
      phases: this.#all(
        'SELECT seq, phase, uptime FROM phases WHERE vm_id = ? ORDER BY seq',
        id,
      ) as unknown as PhaseRow[],
    }
  }

  #transaction<T>(work: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      this.#db.exec('COMMIT')
      return result
    } catch (error) {
      this.#db.exec('ROLLBACK')
      throw error
    }
  }

  /** Gives the id of the row that was inserted. */
  #run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#db.prepare(sql).run(...values).lastInsertRowid)
  }

  #get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#db.prepare(sql).get(...values) as Row | undefined
  }

  #all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#db.prepare(sql).all(...values) as Row[]
  }
}

function openDatabase(file: string): DatabaseSync {
  let db: DatabaseSync | undefined
  try {
    closeSync(openSync(file, 'a', 0o600)) // SQLite gives its other files the same mode
    db = new DatabaseSync(file)
    migrate(db, file)
    // WAL: readers at any time. NORMAL: a killed process loses nothing, and no fsync disturbs what is measured.
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON')
    return db
  } catch (error) {
    db?.close()
    if (error instanceof KvmioError) throw error
    throw new KvmioError(`${file}: cannot be used as a journal: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

function given(value: string | number | null | undefined): number | undefined {
  return value === null || value === undefined ? undefined : Number(value)
}
