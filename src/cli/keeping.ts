import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pruneImages } from '../guest/systems/retention.ts'
import { pruneSamples } from '../journal/retention.ts'
import type { Engine } from './engine.ts'

const EVERY_MS = 3_600_000

/** Removes what the config no longer keeps. What cannot be removed is left for the next time. */
export async function prune({ journal, holder, log }: Engine): Promise<void> {
  const { retention, state } = holder.current
  try {
    const runs = pruneSamples(journal, retention.samples)
    if (runs > 0) log.info(`removed the seconds of ${runs} runs: retention.samples`)
    const images = await pruneImages(join(state, 'systems'), retention.images, Date.now() / 1000)
    if (images.length > 0) log.info(`removed ${images.join(', ')}: retention.images`)
  } catch (error) {
    log.warn({ err: error }, 'retention')
  }
}

/** Does so each hour, until the signal comes. */
export async function keepPruning(engine: Engine, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sleep(EVERY_MS, undefined, { signal }).catch(() => {})
    if (!signal.aborted) await prune(engine)
  }
}
