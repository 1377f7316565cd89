import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { KvmioError } from '../lib/errors.ts'
import type { Question } from './password-worker.ts'

/** Somebody who tries passwords gets no more than this in line, and keeps others out for some seconds at the most. */
const MAX_WAITING = 20
/** A thread takes some 25 MB; one that has nothing to do for so long is ended. */
const IDLE_MS = 10_000

interface Waiting extends Question {
  answer: PromiseWithResolvers<boolean>
}

/** More passwords wait to be looked at than is good. */
export class BusyError extends KvmioError {
  override name = 'BusyError'
}

/** Compares passwords with bcrypt hashes, one after another in a thread that is there as long as it is needed. */
export class PasswordCheck {
  readonly #waiting: Waiting[] = []
  #worker: Worker | undefined
  #idle: NodeJS.Timeout | undefined

  compare(password: string, hash: string): Promise<boolean> {
    if (this.#waiting.length >= MAX_WAITING) {
      return Promise.reject(new BusyError('Too many passwords are being looked at; try again.'))
    }
    const answer = Promise.withResolvers<boolean>()
    this.#waiting.push({ password, hash, answer })
    if (this.#waiting.length === 1) this.#ask()
    return answer.promise
  }

  #ask(): void {
    const [next] = this.#waiting
    clearTimeout(this.#idle)
    if (next) {
      this.#worker ??= this.#start()
      this.#worker.postMessage({ password: next.password, hash: next.hash } satisfies Question)
    } else {
      this.#idle = setTimeout(() => this.#end(), IDLE_MS).unref()
    }
  }

  #start(): Worker {
    // The sources run as they are, and are .js in the published package.
    const file = new URL(`./password-worker${extname(import.meta.url)}`, import.meta.url)
    const worker = new Worker(file)
    worker.unref()
    worker.on('message', (same: boolean) => this.#answered(({ resolve }) => resolve(same)))
    worker.on('error', (error) => {
      if (this.#worker === worker) this.#worker = undefined
      this.#answered(({ reject }) => reject(error))
    })
    return worker
  }

  #answered(settle: (answer: Waiting['answer']) => void): void {
    const first = this.#waiting.shift()
    if (first) settle(first.answer)
    this.#ask()
  }

  #end(): void {
    void this.#worker?.terminate()
    this.#worker = undefined
  }
}
