interface Kept<T> {
  key: string
  /** Milliseconds of a monotonic clock. */
  at: number
  value: T
}

/** After this it is read anew beside the scrape, which does not wait for it. */
const FRESH_MS = 5_000
/** After this the scrape waits for it. */
const USABLE_MS = 60_000

/**
 * What changes seldom and is dear to read, kept from scrape to scrape. Its key is what a change shows in as a rule: with
 * another key it is read anew before the scrape goes on. A change that no key shows is seen by the first scrape that comes
 * more than five seconds after the reading, or, where that one is late by less than a minute, by the one after it.
 */
export class KeptReading<T> {
  readonly #now: () => number
  #kept: Kept<T> | undefined
  #reading: { key: string; result: Promise<T> } | undefined

  constructor(now = () => performance.now()) {
    this.#now = now
  }

  /** `onError` is told of a reading that fails while there is an older one to go on with. */
  async get(key: string, read: () => Promise<T>, onError: (error: unknown) => void): Promise<T> {
    const kept = this.#kept
    const age = kept ? this.#now() - kept.at : 0
    if (kept?.key === key && age < FRESH_MS) return kept.value
    const result = this.#read(key, read)
    if (kept?.key === key && age < USABLE_MS) {
      result.catch(onError)
      return kept.value
    }
    try {
      return await result
    } catch (error) {
      if (!kept) throw error
      onError(error)
      return kept.value
    }
  }

  #read(key: string, read: () => Promise<T>): Promise<T> {
    if (this.#reading?.key === key) return this.#reading.result
    const at = this.#now()
    const take = async (): Promise<T> => {
      try {
        const value = await read()
        if (this.#reading === reading) this.#kept = { key, at, value }
        return value
      } finally {
        if (this.#reading === reading) this.#reading = undefined
      }
    }
    const reading = { key, result: Promise.resolve().then(take) }
    this.#reading = reading
    return reading.result
  }
}
