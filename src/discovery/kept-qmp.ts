import { Qmp } from '../source/qmp.ts'

export interface KeptQmpOptions {
  /** Whose socket it is, for messages. */
  name: string
  path: string
  /** For the greeting. */
  timeoutMs?: number
  /** Why it could not be had; told once until it could. */
  onLack(error: unknown): void
  /** Milliseconds of a monotonic clock. */
  now(): number
}

// A socket that somebody else has answers nobody: it is no use to knock often.
const RETRY_MS = 30_000

/** A QMP connection that is kept open, and sought again at a slow pace when it cannot be had. Nothing is waited for. */
export class KeptQmp {
  readonly path: string
  readonly #options: KeptQmpOptions
  #qmp: Qmp | undefined
  #connecting: Promise<void> | undefined
  #tried: number | undefined
  #isTold = false
  #isClosed = false

  constructor(options: KeptQmpOptions) {
    this.path = options.path
    this.#options = options
  }

  /** While it is open. */
  get open(): Qmp | undefined {
    return this.#qmp?.isOpen ? this.#qmp : undefined
  }

  /** Begins to connect if that is needed and due. */
  keep(): void {
    const { now } = this.#options
    if (this.open || this.#connecting || this.#isClosed) return
    if (this.#tried !== undefined && now() - this.#tried < RETRY_MS) return
    this.#tried = now()
    this.#connecting = this.#connect().finally(() => {
      this.#connecting = undefined
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#qmp?.close()
    await this.#connecting
  }

  async #connect(): Promise<void> {
    const { name, path, timeoutMs, onLack } = this.#options
    try {
      const qmp = await Qmp.connect({ name, path, timeoutMs })
      if (this.#isClosed) qmp.close()
      this.#qmp = qmp
      this.#isTold = false
    } catch (error) {
      if (!this.#isTold && !this.#isClosed) onLack(error)
      this.#isTold = true
    }
  }
}
