import { messageOf } from '../../lib/errors.ts'
import * as m from '../../metrics/catalog.ts'
import type { Sample } from '../../metrics/family.ts'
import type { CollectorState, TierState } from '../../web/live/state.ts'
import type { ScrapeWitness } from '../page.ts'

type Space = NonNullable<TierState['space']>

/** What the live page takes from scrapes, whoever asked for them: how the collectors are, and what only they read. */
export class ScrapeMemory implements ScrapeWitness {
  /** Unix seconds. */
  readonly #now: () => number
  readonly #collectors: Map<string, CollectorState>
  #space = new Map<string, Partial<Space>>()

  constructor(collectors: readonly string[], now: () => number) {
    this.#now = now
    this.#collectors = new Map(collectors.map((name) => [name, { name }]))
  }

  saw(samples: readonly Sample[]): void {
    const at = this.#now()
    const space = new Map<string, Partial<Space>>()
    for (const { family, labels, value } of samples) {
      if (typeof value !== 'number') continue
      const collector = this.#collectors.get(labels.collector ?? '')
      if (family === m.collectorSuccess)
        Object.assign(collector ?? {}, { success: value === 1, at })
      else if (family === m.collectorSeconds) Object.assign(collector ?? {}, { seconds: value })
      else {
        const key = SPACE.get(family)
        if (key === undefined) continue
        const tier = labels.tier ?? ''
        space.set(tier, { ...space.get(tier), [key]: value })
      }
    }
    if (space.size > 0) this.#space = space
  }

  failed(collector: string, error: unknown): void {
    const state = this.#collectors.get(collector)
    if (state) state.error = { message: messageOf(error), at: this.#now() }
  }

  get collectors(): CollectorState[] {
    return [...this.#collectors.values()]
  }

  /** When the last of all collectors was run; undefined before the first time. */
  get oldest(): number | undefined {
    const times = this.collectors.map(({ at }) => at)
    return times.includes(undefined) ? undefined : Math.min(...(times as number[]))
  }

  space(tier: string): Space | undefined {
    const { sizeBytes, freeBytes, availableBytes } = this.#space.get(tier) ?? {}
    return sizeBytes === undefined || freeBytes === undefined || availableBytes === undefined
      ? undefined
      : { sizeBytes, freeBytes, availableBytes }
  }
}

const SPACE = new Map<unknown, keyof Space>([
  [m.tierSpace.size, 'sizeBytes'],
  [m.tierSpace.free, 'freeBytes'],
  [m.tierSpace.available, 'availableBytes'],
])
