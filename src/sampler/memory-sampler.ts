import type { Vm } from '../attribution/records.ts'
import { codeOf } from '../lib/errors.ts'
import type { HangGuard } from '../lib/hang-guard.ts'
import { type ProportionalMemory, readProportionalMemory } from '../source/smaps.ts'

export interface MemorySamplerOptions {
  procRoot: string
  guard: HangGuard
  vms(): readonly Pick<Vm, 'name' | 'pid'>[]
  /** A reading that was missed: of which source, and why. */
  onError(source: string, error: unknown): void
  /** Milliseconds of a monotonic clock. */
  now?(): number
}

interface Reading {
  at: number
  /** Absent where it could not be read. */
  memory?: ProportionalMemory
}

const INTERVAL_MS = 1_000
/** The kernel walks a whole qemu for one reading, and holds its page faults up meanwhile. */
const PACE_MS = 15_000
/** One that waits longer for its mmap_lock costs its own figures, not the others'. */
const READ_MS = 1_000

/**
 * Reads what each qemu takes of the host's memory, one after another and each every 15 seconds, so that it costs neither
 * a scrape nor the one-second sampler anything. A vm that is new is read within a second.
 */
export class MemorySampler {
  readonly #options: MemorySamplerOptions
  /** By pid. */
  readonly #readings = new Map<number, Reading>()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(options: MemorySamplerOptions) {
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

  /** Reads the vms whose turn it is. */
  async tick(): Promise<void> {
    const vms = this.#options.vms()
    const pids = new Set(vms.map(({ pid }) => pid))
    for (const pid of this.#readings.keys()) if (!pids.has(pid)) this.#readings.delete(pid)
    for (const { pid } of vms) {
      const last = this.#readings.get(pid)
      if (last && this.#now() - last.at < PACE_MS) continue
      const memory = await this.#read(pid)
      this.#readings.set(pid, { at: this.#now(), ...(memory ? { memory } : {}) })
    }
  }

  /** The last reading of a qemu; undefined before the first, and where this host does not let it be read. */
  of(pid: number): ProportionalMemory | undefined {
    return this.#readings.get(pid)?.memory
  }

  #now(): number {
    return this.#options.now?.() ?? performance.now()
  }

  async #read(pid: number): Promise<ProportionalMemory | undefined> {
    try {
      const { guard, procRoot } = this.#options
      return await guard.run(`${procRoot}/${pid}/smaps_rollup`, READ_MS, () =>
        readProportionalMemory(procRoot, pid),
      )
    } catch (error) {
      // It has just ended.
      if (!['ENOENT', 'ESRCH'].includes(codeOf(error) ?? '')) {
        this.#options.onError('smaps', error)
      }
      return undefined
    }
  }
}
