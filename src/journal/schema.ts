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
]

/** Brings a journal to this version's tables, each step whole or not at all. */
export function migrate(db: DatabaseSync, file: string): void {
  const version = Number(db.prepare('PRAGMA user_version').get()?.user_version)
  if (version > MIGRATIONS.length) {
    throw new KvmioError(
      `${file}: written by a newer kvmio (journal version ${version}, this one knows ${MIGRATIONS.length}); nothing was changed`,
    )
  }
  for (const [index, step] of MIGRATIONS.entries()) {
    if (index < version) continue
    db.exec(`BEGIN IMMEDIATE; ${step} PRAGMA user_version = ${index + 1}; COMMIT;`)
  }
}
