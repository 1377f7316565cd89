import { readHostCpu } from '../source/proc.ts'
import type { Second } from './second.ts'

/** What the processors did since the last time. */
export class HostCpuSampler {
  readonly #procRoot: string
  /** Seconds by mode, as they were last read. */
  #before: Readonly<Record<string, number>> | undefined

  constructor(procRoot: string) {
    this.#procRoot = procRoot
  }

  /** Nothing the first time. */
  async sample(): Promise<Pick<Second, 'stolen' | 'busy'>> {
    const before = this.#before
    const { secondsByMode: now } = await readHostCpu(this.#procRoot)
    this.#before = now
    if (!before) return {}
    const spent = (modes: readonly string[]) =>
      modes.reduce((total, mode) => total + (now[mode] ?? 0) - (before[mode] ?? 0), 0)
    const all = spent(Object.keys(now))
    if (all <= 0) return {}
    return { stolen: spent(['steal']) / all, busy: 1 - spent(['idle', 'iowait']) / all }
  }
}
