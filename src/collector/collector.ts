import type { ActiveStudy, KnownVm, Tier, Vm } from '../attribution/records.ts'
import type { Journal } from '../journal/journal.ts'
import { DeadlineError } from '../lib/errors.ts'
import type { HangGuard } from '../lib/hang-guard.ts'
import { collectorSeconds, collectorSuccess } from '../metrics/catalog.ts'
import { type Sample, sample } from '../metrics/family.ts'
import type { ImageReader } from '../sampler/image-reader.ts'
import type { ProcessReader } from '../sampler/process-readers.ts'
import type { Sampler } from '../sampler/sampler.ts'
import type { IoHierarchy } from '../source/cgroup.ts'
import type { Descriptors } from '../source/descriptors.ts'
import type { IostatReader } from '../source/iostat.ts'
import type { ProportionalMemory } from '../source/smaps.ts'
import type { DensityRecord } from './density.ts'

/** What a collector may look at; nothing else is global. */
export interface Scrape {
  procRoot: string
  sysRoot: string
  /** Those that run. */
  vms: readonly Vm[]
  /** Those of studies that go on, running or not. */
  knownVms: readonly KnownVm[]
  tiers: readonly Tier[]
  studies: readonly ActiveStudy[]
  sampler: Sampler
  /** Of each qemu, as it was last read at a slow pace. */
  memory: Pick<ProcessReader<ProportionalMemory>, 'of'>
  descriptors: Pick<ProcessReader<Descriptors>, 'of'>
  images: Pick<ImageReader, 'of'>
  journal: Journal
  /** What the config and the journal say of density, as it was last read at a slow pace. */
  density(): DensityRecord
  iostat?: IostatReader
  hierarchy?: IoHierarchy
  /** Whether a device is shown beside those of the tiers. */
  showsDevice(name: string): boolean
  /** What may hang is read under its eyes. */
  guard: HangGuard
  /** When it must have ended. */
  timeoutMs: number
  /** Aborted when nobody waits for it any more. */
  signal?: AbortSignal
  /** One vm or device that could not be read costs its own series alone. */
  onError(collector: string, error: unknown): void
}

/** Reads one source and says what it saw. Throws when it saw nothing usable. */
export interface Collector {
  name: string
  collect(scrape: Scrape): Promise<Sample[]>
}

// What is left over is for the rest of the scrape: a collector gives what it has before its own time is up.
const ITEMS_SHARE = 0.9
const SOURCE_SHARE = 0.8
// A qemu whose main loop is busy answers late; one that is stopped should not hold the others' figures back for long.
const SOURCE_TIMEOUT_MS = 2_000

/** How long a scrape waits for a single vm, mount or device. */
export function sourceTimeoutMs({ timeoutMs }: Pick<Scrape, 'timeoutMs'>): number {
  return Math.min(timeoutMs * SOURCE_SHARE, SOURCE_TIMEOUT_MS)
}

/**
 * Runs collectors side by side. One that fails or is late costs its own series and shows in its success metric. Rejects
 * when the scrape is aborted.
 */
export async function collectAll(
  collectors: readonly Collector[],
  scrape: Scrape,
  now: () => number = performance.now.bind(performance),
): Promise<Sample[]> {
  const { signal } = scrape
  signal?.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  const attended: Scrape = {
    ...scrape,
    onError: (...error) => signal?.aborted || scrape.onError(...error),
  }
  try {
    const groups = collectors.map((collector) => timed(collector, attended, aborted.promise, now))
    return (await Promise.race([Promise.all(groups), aborted.promise])).flat()
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

/** Applies `read` to each item side by side; what fails or is late is told and left out. */
export async function collectEach<T extends { name: string }>(
  collector: string,
  items: readonly T[],
  scrape: Scrape,
  read: (item: T) => Sample[] | Promise<Sample[]>,
): Promise<Sample[]> {
  const groups: Sample[][] = []
  const awaited = new Set(items)
  const reading = items.map(async (item, index) => {
    try {
      const samples = await read(item)
      if (awaited.has(item)) groups[index] = samples
    } catch (error) {
      if (awaited.has(item)) scrape.onError(collector, error)
    } finally {
      awaited.delete(item)
    }
  })
  const limitMs = scrape.timeoutMs * ITEMS_SHARE
  const limit = Promise.withResolvers<void>()
  const timer = setTimeout(limit.resolve, limitMs)
  await Promise.race([Promise.all(reading), limit.promise])
  clearTimeout(timer)
  for (const { name } of awaited) {
    const problem = `${name} did not end in ${Math.round(limitMs) / 1000} s`
    scrape.onError(collector, new DeadlineError(`collector ${collector}: ${problem}`))
  }
  awaited.clear()
  return groups.flat()
}

async function timed(
  collector: Collector,
  scrape: Scrape,
  aborted: Promise<never>,
  now: () => number,
): Promise<Sample[]> {
  const labels = { collector: collector.name }
  const start = now()
  let samples: Sample[] = []
  let success = 1
  try {
    samples = await inTime(collector, scrape, aborted)
  } catch (error) {
    success = 0
    scrape.onError(collector.name, error)
  }
  return [
    ...samples,
    sample(collectorSeconds, labels, (now() - start) / 1000),
    sample(collectorSuccess, labels, success),
  ]
}

async function inTime(
  collector: Collector,
  scrape: Scrape,
  aborted: Promise<never>,
): Promise<Sample[]> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    const seconds = scrape.timeoutMs / 1000
    reject(
      new DeadlineError(
        `collector ${collector.name} did not end in the ${seconds} s of this scrape`,
      ),
    )
  }, scrape.timeoutMs)
  try {
    return await Promise.race([collector.collect(scrape), promise, aborted])
  } finally {
    clearTimeout(timer)
  }
}
