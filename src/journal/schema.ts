import type { DatabaseSync } from 'node:sqlite'
import { KvmioError } from '../lib/errors.ts'

// The journal's tables, one step a version. A step that has been released never changes; what comes next is a new one.
// Times are Unix seconds, sizes bytes, JSON columns hold what no query asks for.

const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE studies (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    hash TEXT NOT NULL,            -- of what the study and its guest say: a change begins a new study
    seed INTEGER NOT NULL,
    config TEXT NOT NULL,          -- JSON
    created_at REAL NOT NULL,
    UNIQUE (name, hash)
  ) STRICT;

  CREATE TABLE blocks (
    id INTEGER PRIMARY KEY,
    study_id INTEGER NOT NULL REFERENCES studies,
    number INTEGER NOT NULL,       -- from 1
    started_at REAL NOT NULL,
    ended_at REAL,
    UNIQUE (study_id, number)
  ) STRICT;

  CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    block_id INTEGER NOT NULL REFERENCES blocks,
    case_name TEXT NOT NULL,
    factors TEXT NOT NULL,         -- JSON
    manifest TEXT NOT NULL,        -- JSON: versions, host facts
    outcome TEXT CHECK (outcome IN ('passed', 'failed', 'abandoned')),
    reason TEXT,
    started_at REAL NOT NULL,
    ended_at REAL
  ) STRICT;
  CREATE INDEX runs_by_block ON runs (block_id);
  CREATE INDEX unfinished_runs ON runs (id) WHERE outcome IS NULL;

  CREATE TABLE vms (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs,
    name TEXT NOT NULL,
    plan TEXT NOT NULL,            -- JSON: all that the argv is made from
    pid INTEGER,                   -- with start_ticks, who qemu is, whatever has been started since
    start_ticks INTEGER,
    boot_time REAL,                -- when the guest's uptime was 0
    phase_offset INTEGER NOT NULL DEFAULT 0, -- bytes of the phase log that the table phases holds
    outcome TEXT CHECK (outcome IN ('passed', 'failed', 'abandoned')),
    reason TEXT,
    last_sample TEXT,              -- JSON: counters after power-off, before qemu quit
    UNIQUE (run_id, name)
  ) STRICT;

  CREATE TABLE phases (
    vm_id INTEGER NOT NULL REFERENCES vms,
    seq INTEGER NOT NULL,          -- the guest's own number of the line
    phase TEXT NOT NULL,
    uptime REAL NOT NULL,          -- seconds, the guest's clock
    PRIMARY KEY (vm_id, seq)
  ) STRICT;

  CREATE TABLE host_verdicts (
    subject TEXT PRIMARY KEY,      -- what was tried on this host: kvm
    fingerprint TEXT NOT NULL,     -- of what the verdict depends on: kernel, qemu, processor
    verdict TEXT NOT NULL,         -- JSON
    tried_at REAL NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE results (
    vm_id INTEGER NOT NULL REFERENCES vms,
    name TEXT NOT NULL,            -- what the guest calls it: fio
    content TEXT NOT NULL,         -- as the guest's program wrote it
    PRIMARY KEY (vm_id, name)
  ) STRICT;
  `,
  `
  -- A run can be void: it ended well and its figures are not those of its case.
  CREATE TABLE runs_3 (
    id INTEGER PRIMARY KEY,
    block_id INTEGER NOT NULL REFERENCES blocks,
    case_name TEXT NOT NULL,
    factors TEXT NOT NULL,         -- JSON
    manifest TEXT NOT NULL,        -- JSON: versions, host facts
    outcome TEXT CHECK (outcome IN ('passed', 'failed', 'abandoned', 'void')),
    reason TEXT,
    started_at REAL NOT NULL,
    ended_at REAL,
    baseline TEXT,                 -- JSON: the devices' counters and what neighbours did, before the vms started
    findings TEXT                  -- JSON: what was found of the host and the counts when it had ended
  ) STRICT;
  INSERT INTO runs_3 (id, block_id, case_name, factors, manifest, outcome, reason, started_at, ended_at)
    SELECT id, block_id, case_name, factors, manifest, outcome, reason, started_at, ended_at FROM runs;
  DROP TABLE runs;
  ALTER TABLE runs_3 RENAME TO runs;
  CREATE INDEX runs_by_block ON runs (block_id);
  CREATE INDEX unfinished_runs ON runs (id) WHERE outcome IS NULL;

  ALTER TABLE blocks ADD COLUMN void_reason TEXT; -- why none of its runs counts

  CREATE TABLE pauses (
    study TEXT PRIMARY KEY,        -- its name: it waits until it is resumed, whatever kvmio is ended meanwhile
    since REAL NOT NULL
  ) STRICT;

  CREATE TABLE layer_counts (
    run_id INTEGER NOT NULL REFERENCES runs,
    vm_id INTEGER REFERENCES vms,  -- null: of the device, whoever used it
    layer TEXT NOT NULL CHECK (layer IN ('guest', 'qemu', 'process', 'cgroup', 'device')),
    name TEXT NOT NULL,            -- of the drive or device; empty for a process
    reads INTEGER,                 -- null: not known at this layer
    read_bytes INTEGER,
    writes INTEGER,
    written_bytes INTEGER,
    flushes INTEGER,
    discards INTEGER,
    discarded_bytes INTEGER
  ) STRICT;
  CREATE INDEX layer_counts_by_run ON layer_counts (run_id);

  CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs,
    kind TEXT NOT NULL CHECK (kind IN ('vm', 'device')),
    name TEXT NOT NULL,
    UNIQUE (run_id, kind, name)
  ) STRICT;

  CREATE TABLE samples (
    series_id INTEGER NOT NULL REFERENCES series,
    at REAL NOT NULL,              -- the end of the second, in seconds since the run began
    transactions REAL NOT NULL,    -- per second
    PRIMARY KEY (series_id, at)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE calibrations (
    id INTEGER PRIMARY KEY,
    tier TEXT NOT NULL,
    manifest TEXT NOT NULL,        -- JSON: versions, host facts, what the tier stands on
    result TEXT,                   -- JSON: capacity by class, points; null until it has ended well
    reason TEXT,                   -- why it did not end well
    started_at REAL NOT NULL,
    ended_at REAL
  ) STRICT;
  CREATE INDEX calibrations_by_tier ON calibrations (tier, ended_at);

  CREATE TABLE ramps (
    id INTEGER PRIMARY KEY,
    tier TEXT NOT NULL,
    guest TEXT NOT NULL,
    manifest TEXT NOT NULL,        -- JSON: versions, host facts, workload, target
    prediction TEXT NOT NULL,      -- JSON: demand and density by method, from before its first step
    measured INTEGER,              -- vms that met the target in each repetition; null until it has ended well
    bound TEXT,                    -- what it came to: latency, or the limit that stopped it
    reason TEXT,                   -- why it did not end well
    started_at REAL NOT NULL,
    ended_at REAL
  ) STRICT;
  CREATE INDEX ramps_by_tier ON ramps (tier, guest, ended_at);

  CREATE TABLE ramp_steps (
    ramp_id INTEGER NOT NULL REFERENCES ramps,
    seq INTEGER NOT NULL,          -- from 1, in the order of time
    repetition INTEGER NOT NULL,   -- from 1
    vms INTEGER NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('met', 'missed', 'void')),
    figures TEXT NOT NULL,         -- JSON: p99 by vm, latency and queue of the device, transactions per second, processor time
    ended_at REAL NOT NULL,
    PRIMARY KEY (ramp_id, seq)
  ) STRICT;
  `,
  `
  ALTER TABLE studies ADD COLUMN skipped TEXT; -- JSON: cases that its last execution left out, and why; null before version 5
  `,
]

/** The version of the tables that this kvmio reads and writes. */
export const JOURNAL_VERSION = MIGRATIONS.length

/** Brings a journal to this version's tables, each step whole or not at all. Foreign keys must be off: a table may be made anew. */
export function migrate(db: DatabaseSync, file: string): void {
  const version = versionOf(db)
  if (version > JOURNAL_VERSION) throw newer(file, version)
  for (const [index, step] of MIGRATIONS.entries()) {
    if (index < version) continue
    db.exec(`BEGIN IMMEDIATE; ${step} PRAGMA user_version = ${index + 1}; COMMIT;`)
  }
}

/** Throws where a journal is not of this version; nothing is changed. */
export function checkVersion(db: DatabaseSync, file: string): void {
  const version = versionOf(db)
  if (version > JOURNAL_VERSION) throw newer(file, version)
  if (version === JOURNAL_VERSION) return
  throw new KvmioError(
    `${file}: written by an older kvmio (journal version ${version}, this one reads ${JOURNAL_VERSION}); "kvmio serve" or "kvmio run" brings it up to date`,
  )
}

function versionOf(db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA user_version').get()?.user_version)
}

function newer(file: string, version: number): KvmioError {
  return new KvmioError(
    `${file}: written by a newer kvmio (journal version ${version}, this one knows ${JOURNAL_VERSION}); nothing was changed`,
  )
}
