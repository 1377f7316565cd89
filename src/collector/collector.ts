import type { ActiveStudy, KnownVm, Tier, Vm } from '../attribution/records.ts'
import type { Journal } from '../journal/journal.ts'
import { DeadlineError } from '../lib/errors.ts'
import { collectorSeconds, collectorSuccess } from '../metrics/catalog.ts'
import { type Sample, sample } from '../metrics/family.ts'
import type { ImageReader } from '../sampler/image-reader.ts'
import type { ProcessReader } from '../sampler/process-readers.ts'
import type { Sampler } from '../sampler/sampler.ts'
import type { IoHierarchy } from '../source/cgroup.ts'
import type { Descriptors } from '../source/descriptors.ts'
import type { IostatReader } from '../source/iostat.ts'
import type { ProportionalMemory } from '../source/smaps.ts'

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
  iostat?: IostatReader
  hierarchy?: IoHierarchy
  /** Whether a device is shown beside those of the tiers. */
  showsDevice(name: string): boolean
  /** Until when it must have ended, and how long a single vm may take at the most. */
  timeoutMs: number
  /** One vm or device that could not be read costs its own series alone. */
  onError(collector: string, error: unknown): void
}

/** Reads one source and says what it saw. Throws when it saw nothing usable. */
export interface Collector {
  name: string
  collect(scrape: Scrape): Promise<Sample[]>
}

/** Runs collectors side by side. One that fails or is late costs its own series and shows in its success metric. */
export async function collectAll(
  collectors: readonly Collector[],
  scrape: Scrape,
  now: () => number = performance.now.bind(performance),
): Promise<Sample[]> {
  const groups = await Promise.all(
    collectors.map(async (collector) => {
      const labels = { collector: collector.name }
      const start = now()
      let samples: Sample[] = []
      let success = 1
      try {
        samples = await inTime(collector, scrape)
      } catch (error) {
        success = 0
        scrape.onError(collector.name, error)
      }
      return [
        ...samples,
        sample(collectorSeconds, labels, (now() - start) / 1000),
        sample(collectorSuccess, labels, success),
      ]
    }),
  )
  return groups.flat()
}

/** Applies `read` to each item side by side; what fails is told and left out. */
export async function collectEach<T>(
  collector: string,
  items: readonly T[],
  scrape: Scrape,
  read: (item: T) => Promise<Sample[]>,
): Promise<Sample[]> {
  const groups = await Promise.all(
    items.map(async (item) => {
      try {
        return await read(item)
      } catch (error) {
        scrape.onError(collector, error)
        return []
      }
    }),
  )
  return groups.flat()
}

async function inTime(collector: Collector, scrape: Scrape): Promise<Sample[]> {
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
    return await Promise.race([collector.collect(scrape), promise])
  } finally {
    clearTimeout(timer)
  }
}
