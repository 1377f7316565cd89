interface Waiter {
  holder: string
  granted(): void
}

/** One holder at a time for each tier: a study, a calibration or a ramp. */
export class Leases {
  /** By tier, in the order of asking: the first one holds it. */
  readonly #queues = new Map<string, Waiter[]>()

  /** Waits in turn until all the tiers are free; the signal ends the waiting, with nothing held. */
  async acquire(
    tiers: readonly string[],
    holder: string,
    signal?: AbortSignal,
  ): Promise<Disposable> {
    const held: (() => void)[] = []
    const release = () => {
      for (const letGo of held.splice(0)) letGo()
    }
    try {
      // In one order for everybody, so that no two wait for one another.
      for (const tier of [...new Set(tiers)].sort()) {
        held.push(await this.#take(tier, holder, signal))
      }
    } catch (error) {
      release()
      throw error
    }
    return { [Symbol.dispose]: release }
  }

  /** Who has the tier now. */
  holderOf(tier: string): string | undefined {
    return this.#queues.get(tier)?.[0]?.holder
  }

  async #take(tier: string, holder: string, signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted()
    const queue = this.#queues.get(tier) ?? []
    this.#queues.set(tier, queue)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiter: Waiter = { holder, granted: resolve }
    const letGo = () => this.#leave(tier, waiter)
    const abort = () => {
      letGo()
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', abort, { once: true })
    queue.push(waiter)
    if (queue[0] === waiter) resolve()
    try {
      await promise
      signal?.throwIfAborted() // it may have ended in the moment of the grant, and has let go then
      return letGo
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  #leave(tier: string, waiter: Waiter): void {
    const queue = this.#queues.get(tier) ?? []
    const at = queue.indexOf(waiter)
    if (at === -1) return
    queue.splice(at, 1)
    if (queue.length === 0) this.#queues.delete(tier)
    else if (at === 0) queue[0]!.granted()
  }
}
