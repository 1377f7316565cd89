import { DatabaseSync } from 'node:sqlite'
import { KvmioError, messageOf } from '../lib/errors.ts'

/**
 * Makes this process the one owner of a state directory, until it is disposed of or the process ends in whatever way:
 * the lock is SQLite's, which is the kernel's, so that a killed kvmio leaves none behind. Throws when another has it.
 */
export function lockState(stateDir: string): Disposable {
  const file = `${stateDir}/lock`
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(file)
    db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    db?.close()
    if (!/locked/.test(messageOf(error))) {
      throw new KvmioError(`${file}: cannot be locked: ${messageOf(error)}`, { cause: error })
    }
    throw new KvmioError(
      `${stateDir} is in use by another kvmio; end it, or name another "state" in the config`,
      { cause: error },
    )
  }
  return { [Symbol.dispose]: () => db.close() }
}
