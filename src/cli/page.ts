import { createCollectors } from '../collector/all.ts'
import { type Collector, collectAll } from '../collector/collector.ts'
import type { WebConfigHolder } from '../config/web-holder.ts'
import * as m from '../metrics/catalog.ts'
import { type Sample, sample } from '../metrics/family.ts'
import { encodePieces, renderSamples } from '../metrics/render.ts'
import { createDensityReading } from './density-record.ts'
import type { Engine } from './engine.ts'
import { deviceFilter } from './options.ts'
import { version } from './version.ts'

export interface PageRequest {
  /** Names of the only collectors to run; all when empty. */
  collect: readonly string[]
  exclude: readonly string[]
  timeoutMs: number
  /** Aborted when nobody waits for the page any more. */
  signal?: AbortSignal
}

/** Told of each scrape, whoever asked for it. */
export interface ScrapeWitness {
  saw(samples: readonly Sample[]): void
  failed(collector: string, error: unknown): void
}

/** Reads every source now. */
export type Collect = (request: PageRequest) => Promise<Sample[]>

/** Makes the function that reads every source for a scrape. */
export function createCollect(engine: Engine, witness?: ScrapeWitness): Collect {
  const { options, own, log } = engine
  const collectors = createCollectors().filter(({ name }) => options.collectors.has(name))
  const showsDevice = deviceFilter(options)
  const density = createDensityReading(() => engine.holder.current, engine.journal)
  for (const { name } of collectors) own.inc(m.scrapeErrors, { collector: name }, 0)
  return async ({ collect, exclude, timeoutMs, signal }) => {
    const chosen = ({ name }: Collector) =>
      collect.length > 0 ? collect.includes(name) : !exclude.includes(name)
    const samples = await collectAll(collectors.filter(chosen), {
      procRoot: options.procRoot,
      sysRoot: options.sysRoot,
      vms: engine.vms(),
      knownVms: engine.knownVms(),
      tiers: engine.tiers(),
      studies: engine.activeStudies(),
      sampler: engine.sampler,
      memory: engine.memory,
      descriptors: engine.descriptors,
      images: engine.images,
      journal: engine.journal,
      density,
      iostat: engine.iostat,
      hierarchy: engine.hierarchy,
      showsDevice,
      guard: engine.guard,
      timeoutMs,
      signal,
      onError(collector, error) {
        own.inc(m.scrapeErrors, { collector })
        log.debug({ collector, err: error }, 'a part of a scrape failed')
        witness?.failed(collector, error)
      },
    })
    witness?.saw(samples)
    return samples
  }
}

/** Makes the function that answers a scrape: renders what is read. */
export function createPage(
  engine: Engine,
  collect = createCollect(engine),
): (request: PageRequest) => Promise<Buffer> {
  const { own, log } = engine
  return async (request) => {
    const samples = await collect(request)
    const pieces = renderSamples([...samples, ...ownSamples(engine)], (series) =>
      log.error({ series }, 'the same series twice in one scrape'),
    )
    return encodePieces([...pieces, await own.text()])
  }
}

function ownSamples({ holder, webHolder }: Engine): Sample[] {
  const { platform, arch, version: nodeversion } = process
  return [
    sample(m.configReloadSuccessful, {}, holder.lastReloadSuccessful ? 1 : 0),
    sample(m.configReloadTime, {}, holder.lastReloadTime),
    ...(webHolder ? webSamples(webHolder) : []),
    sample(m.buildInfo, { version, nodeversion, platform, arch }, 1),
  ]
}

function webSamples(holder: WebConfigHolder): Sample[] {
  const { tls } = holder.current()
  return [
    sample(m.webConfigReloadSuccessful, {}, holder.lastReloadSuccessful ? 1 : 0),
    sample(m.webConfigReloadTime, {}, holder.lastReloadTime),
    ...(tls ? [sample(m.webCertificateExpiry, {}, tls.notAfter)] : []),
  ]
}
