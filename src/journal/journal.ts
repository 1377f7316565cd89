import { closeSync, openSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { KvmioError, messageOf } from '../lib/errors.ts'
import { migrate } from './schema.ts'

// kvmio pause and kvmio doctor write a row beside the one that runs studies.
const BUSY_MS = 5_000

/** SQLITE_BUSY, _READONLY, _IOERR, _CORRUPT, _FULL, _CANTOPEN: https://www.sqlite.org/rescode.html */
const DISK_ERRORS = new Set([5, 8, 10, 11, 13, 14])

export type Row = Record<string, string | number | null>

/** What can be asked of a journal, whether it is open for writing or not. */
export interface JournalReader {
  get(sql: string, ...values: SQLInputValue[]): Row | undefined
  all(sql: string, ...values: SQLInputValue[]): Row[]
}

/** The SQLite file that outlives every kvmio: one writer, a row before each run starts and when it ends. */
export class Journal implements JournalReader {
  /** Unix seconds. */
  readonly now: () => number
  readonly #file: string
  readonly #db: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  /** Opens or creates it. */
  constructor(file: string, now: () => number = () => Date.now() / 1000) {
    this.now = now
    this.#file = file
    this.#db = openDatabase(file)
  }

  close(): void {
    this.#statements.clear()
    this.#db.close()
  }

  /** All that `work` writes, or nothing of it. */
  transaction<T>(work: () => T): T {
    try {
      this.#db.exec('BEGIN IMMEDIATE')
      const result = work()
      this.#db.exec('COMMIT')
      return result
    } catch (error) {
      // A disk that is full may have rolled it back already.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      throw this.#worded(error)
    }
  }

  /** Gives the id of the row that was inserted. */
  run(sql: string, ...values: SQLInputValue[]): number {
    try {
      return Number(this.#prepared(sql).run(...values).lastInsertRowid)
    } catch (error) {
      throw this.#worded(error)
    }
  }

  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#prepared(sql).get(...values) as Row | undefined
  }

  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#prepared(sql).all(...values) as Row[]
  }

  /** What the disk has done to it is no fault of the program, and is told as what it is. */
  #worded(error: unknown): unknown {
    const code = Number((error as { errcode?: unknown }).errcode) & 0xff
    if (!DISK_ERRORS.has(code)) return error
    return new KvmioError(`${this.#file}: cannot be written: ${messageOf(error)}`, { cause: error })
  }

  #prepared(sql: string): StatementSync {
    const statement = this.#statements.get(sql) ?? this.#db.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }
}

/** A column that may hold nothing. */
export function given(value: string | number | null | undefined): number | undefined {
  return value === null || value === undefined ? undefined : Number(value)
}

function openDatabase(file: string): DatabaseSync {
  let db: DatabaseSync | undefined
  try {
    closeSync(openSync(file, 'a', 0o600)) // SQLite gives its other files the same mode
    db = new DatabaseSync(file, { enableForeignKeyConstraints: false, timeout: BUSY_MS })
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
