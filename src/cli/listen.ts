import { join } from 'node:path'
import { COLLECTOR_NAMES } from '../collector/all.ts'
import { CONTENT_TYPE } from '../metrics/render.ts'
import { isLoopback, type Listening, listen } from '../web/listen.ts'
import { createEvents } from '../web/live/events.ts'
import { liveSections } from '../web/live/page.ts'
import { createLiveRouter } from '../web/live/router.ts'
import { createApp } from '../web/server.ts'
import type { Engine } from './engine.ts'
import { Monitor } from './live/monitor.ts'
import { ScrapeMemory } from './live/scrapes.ts'
import { createCollect, createPage } from './page.ts'
import { version } from './version.ts'

// Beside src and dist alike.
const DOCS = join(import.meta.dirname, '../../docs')

/** Serves the engine's metrics and its live page on the address of the flags. `ready` tells why it is not ready yet. */
export async function listenWeb(
  engine: Engine,
  ready: () => string | undefined,
): Promise<Listening> {
  const { options, log, holder } = engine
  const { telemetryPath, grafanaUrl } = options
  const collectors = COLLECTOR_NAMES.filter((name) => options.collectors.has(name))
  const scrapes = new ScrapeMemory(collectors, () => Date.now() / 1000)
  const collect = createCollect(engine, scrapes)
  const live = new Monitor(engine, { collect, scrapes, ready, room: () => undefined })
  const events = createEvents({ live, version, render: (state) => liveSections(state).text })
  const app = createApp({
    telemetryPath,
    maxRequests: options.maxRequests,
    collectors,
    metrics: createPage(engine, collect),
    contentType: CONTENT_TYPE,
    pages: createLiveRouter({ live, version, telemetryPath, grafanaUrl, docs: DOCS }, events),
    ready,
    reload: () => holder.reload(),
    log,
  })
  if (!isLoopback(options.listenAddress)) {
    log.warn(`${options.listenAddress} is open to the network, without TLS and without a password`)
  }
  const listening = await listen(app, { address: options.listenAddress })
  return {
    ...listening,
    async close() {
      live.close()
      events.close() // they would be waited for
      await listening.close()
    },
  }
}
