import { codeOf, DeadlineError } from '../lib/errors.ts'

export interface PacedReaderOptions<K, I, T> {
  /** What is read, for errors. */
  source: string
  /** What there is to read now, each by a key that nothing else ever had. */
  items(): ReadonlyMap<K, I>
  read(item: I): Promise<T>
  /** Of one item, the least time between two readings; more where all of them would take more than SHARE. */
  paceMs: number
  /** A reading that was missed: of which source, and why. */
  onError(source: string, error: unknown): void
  /** Milliseconds of a monotonic clock. */
  now?(): number
  /** How long one reading may take before the others go on without it. */
  deadlineMs?: number
}

interface Reading<T> {
  at: number
  tookMs: number
  /** Absent where it could not be read. */
  value?: T
  /** Not answered yet, though its deadline has passed. */
  isLate?: boolean
}

/**
 * Of one processor, what the readings may take of the time. The memory of 20 qemus takes 50 to 160 ms: 0.3 to 1.1 % when it
 * is read each 15 s.
 */
const SHARE = 0.003
const INTERVAL_MS = 1_000
const DEADLINE_MS = 2_000
// It has just ended, or was removed.
const GONE = ['ENOENT', 'ESRCH']

/**
 * Reads what costs too much for each scrape: one item after another, and each at a slow pace. One that is new is read
 * within a second; one that has gone is forgotten; one that hangs holds the others up once.
 */
export class PacedReader<K, I, T> {
  readonly #options: PacedReaderOptions<K, I, T>
  readonly #readings = new Map<K, Reading<T>>()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(options: PacedReaderOptions<K, I, T>) {
    this.#options = options
  }

  start(): void {
    const tick = async () => {
      this.#running = this.tick()
      await this.#running
      if (this.#timer) this.#timer = setTimeout(tick, INTERVAL_MS)
    }
    this.#timer = setTimeout(tick, 0)
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    await this.#running
  }

  /** Reads those whose turn it is. */
  async tick(): Promise<void> {
    const items = this.#options.items()
    for (const key of this.#readings.keys()) if (!items.has(key)) this.#readings.delete(key)
    const took = [...this.#readings.values()].reduce((sum, { tookMs }) => sum + tookMs, 0)
    const paceMs = Math.max(this.#options.paceMs, took / SHARE)
    for (const [key, item] of items) {
      const last = this.#readings.get(key)
      if (last && (last.isLate || this.#now() - last.at < paceMs)) continue
      const begun = this.#now()
      const reading: Reading<T> = { at: begun, tookMs: 0 }
      reading.value = await this.#inTime(item, reading)
      reading.at = this.#now()
      reading.tookMs = reading.isLate ? 0 : reading.at - begun // one that hangs works on nothing
      this.#readings.set(key, reading)
    }
  }

  /** The last reading; undefined before the first, and where it could not be read. */
  of(key: K): T | undefined {
    return this.#readings.get(key)?.value
  }

  #now(): number {
    return this.#options.now?.() ?? performance.now()
  }

  async #inTime(item: I, reading: Reading<T>): Promise<T | undefined> {
    const { source, deadlineMs = DEADLINE_MS } = this.#options
    const { promise: late, resolve } = Promise.withResolvers<undefined>()
    const timer = setTimeout(() => {
      reading.isLate = true
      const message = `no answer in ${deadlineMs / 1000} s`
      this.#options.onError(source, new DeadlineError(message))
      resolve(undefined)
    }, deadlineMs)
    const read = this.#read(item).finally(() => {
      clearTimeout(timer)
      reading.isLate = false
    })
    return await Promise.race([read, late])
  }

  async #read(item: I): Promise<T | undefined> {
    try {
      return await this.#options.read(item)
    } catch (error) {
      if (!GONE.includes(codeOf(error) ?? '')) this.#options.onError(this.#options.source, error)
      return undefined
    }
  }
}
