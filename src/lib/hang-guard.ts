import { DeadlineError } from './errors.ts'

interface Work {
  /** Milliseconds of a monotonic clock. */
  since: number
  result: Promise<unknown>
}

/**
 * Keeps what may hang for good (a file of a mount whose server is gone, of a disk that does not answer) from costing more
 * than itself. Such a read holds one of libuv's few threads until the kernel lets go of it, so each thing is asked once and
 * not again while it hangs, and all of them together leave threads for what does not hang.
 */
export class HangGuard {
  readonly #limit: number
  readonly #now: () => number
  readonly #underWay = new Map<string, Work>()
  readonly #queue = new Set<() => void>()

  constructor(limit = threadsToLose(), now = () => performance.now()) {
    this.#limit = limit
    this.#now = now
  }

  /** What was asked and has not answered, the oldest first. */
  get underWay(): readonly string[] {
    return [...this.#underWay.keys()]
  }

  /** What has not answered for so long, the oldest first. */
  hanging(ms: number): readonly string[] {
    const hangs = [...this.#underWay].filter(([, { since }]) => this.#now() - since >= ms)
    return hangs.map(([key]) => key)
  }

  /**
   * Does the work, and waits for it until the deadline, if it is finite. Who asks for the same (a path, as a rule) while it is under way
   * waits for that one, until the deadline as counted from its begin: at once too late, when it hangs.
   */
  run<T>(key: string, timeoutMs: number, work: () => Promise<T>): Promise<T> {
    const begun = this.#underWay.get(key)
    const since = begun?.since ?? this.#now()
    const hangsMs = this.#now() - since
    const leftMs = timeoutMs - hangsMs
    if (leftMs <= 0) return Promise.reject(late(key, hangsMs))
    return new Promise<T>((resolve, reject) => {
      const start = () => {
        const { result } = this.#underWay.get(key) ?? this.#begin(key, work)
        const taken = result as Promise<T>
        taken.then(resolve, reject).finally(() => clearTimeout(timer))
      }
      const expire = () => {
        this.#queue.delete(start)
        reject(late(key, timeoutMs))
      }
      const timer = Number.isFinite(leftMs) ? setTimeout(expire, leftMs) : undefined
      this.#queue.add(start)
      if (begun) this.#start(start)
      else this.#startNext()
    })
  }

  #startNext(): void {
    for (const start of this.#queue) {
      if (this.#underWay.size >= this.#limit) return
      this.#start(start)
    }
  }

  #start(start: () => void): void {
    this.#queue.delete(start)
    start()
  }

  #begin(key: string, work: () => Promise<unknown>): Work {
    const begun: Work = { since: this.#now(), result: work() }
    this.#underWay.set(key, begun)
    const ended = () => {
      this.#underWay.delete(key)
      this.#startNext()
    }
    begun.result.then(ended, ended)
    return begun
  }
}

function late(key: string, afterMs: number): DeadlineError {
  return new DeadlineError(`${key} has not answered in ${Math.round(afterMs) / 1000} s`)
}

/** Of libuv's threads those beyond its usual four, or two of these. */
function threadsToLose(): number {
  const threads = Number(process.env.UV_THREADPOOL_SIZE) || USUAL_THREADS
  return threads > USUAL_THREADS ? threads - USUAL_THREADS : 2
}

// https://docs.libuv.org/en/v1.x/threadpool.html
const USUAL_THREADS = 4
