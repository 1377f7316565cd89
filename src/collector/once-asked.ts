import { setTimeout as sleep } from 'node:timers/promises'

const ANSWER_MS = 100

/**
 * What things have said of themselves. Each is asked once, while it is there; one that does not answer (a disk that hangs,
 * a file on a server that has gone) is waited for by nobody, and its answer is there in a later scrape.
 */
export class OnceAsked<T> {
  readonly #answers = new Map<string, T | undefined>()
  /** Ends when those that were asked last have had their moment. */
  #moment: Promise<unknown> = Promise.resolve()

  /** Undefined while it has not answered, and when it could not. */
  of(name: string): T | undefined {
    return this.#answers.get(name)
  }

  /** Asks those that are new, a moment for the answer to be there in the same scrape, and forgets all others. */
  async ask(names: readonly string[], read: (name: string) => Promise<T>): Promise<void> {
    const wanted = new Set(names)
    for (const known of this.#answers.keys()) if (!wanted.has(known)) this.#answers.delete(known)
    const fresh = [...wanted].filter((name) => !this.#answers.has(name))
    if (fresh.length > 0) this.#moment = this.#ask(fresh, read)
    await this.#moment // a scrape beside the one that asked waits with it
  }

  async #ask(names: readonly string[], read: (name: string) => Promise<T>): Promise<void> {
    const asked = names.map(async (name) => {
      this.#answers.set(name, undefined)
      const answer = await read(name)
      if (this.#answers.has(name)) this.#answers.set(name, answer)
    })
    const given = new AbortController()
    const late = sleep(ANSWER_MS, undefined, { signal: given.signal }).catch(() => {})
    await Promise.race([Promise.allSettled(asked), late])
    given.abort()
  }
}
