import { accessSync, constants, existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { codeOf, KvmioError, messageOf } from '../lib/errors.ts'
import type { JournalReader, Row } from './journal.ts'
import { checkVersion } from './schema.ts'

/** Opens a journal to be read, while another kvmio writes or not. All that is read comes from one moment of it. */
export function openReader(file: string): JournalReader & Disposable {
  let db: DatabaseSync | undefined
  try {
    accessSync(file, constants.R_OK)
    db = new DatabaseSync(placeOf(file), { readOnly: true })
    checkVersion(db, file)
    db.exec('BEGIN') // the reads that follow see one state of it
    const opened = db
    return {
      get: (sql: string, ...values: SQLInputValue[]) =>
        opened.prepare(sql).get(...values) as Row | undefined,
      all: (sql: string, ...values: SQLInputValue[]) => opened.prepare(sql).all(...values) as Row[],
      [Symbol.dispose]: () => opened.close(),
    }
  } catch (error) {
    db?.close()
    if (error instanceof KvmioError) throw error
    const why =
      codeOf(error) === 'ENOENT' ? 'there is none; no study has run yet' : messageOf(error)
    throw new KvmioError(`${file}: cannot be read as a journal: ${why}`, { cause: error })
  }
}

/**
 * A reader in WAL mode makes a file beside the journal, which a read-only folder has no place for. There nobody writes
 * either, so the journal may be taken as it is: https://www.sqlite.org/wal.html#read_only_databases
 */
function placeOf(file: string): string | URL {
  if (existsSync(`${file}-wal`) || isWritable(dirname(file))) return file
  const url = pathToFileURL(file)
  url.searchParams.set('immutable', '1')
  return url
}

function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK)
    return true
  } catch {
    return false
  }
}
