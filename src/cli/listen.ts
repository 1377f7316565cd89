import { join } from 'node:path'
import { COLLECTOR_NAMES } from '../collector/all.ts'
import { CONTENT_TYPE } from '../metrics/render.ts'
import { isLoopback, type Listening, listen } from '../web/listen.ts'
import { createEvents } from '../web/live/events.ts'
import { liveSections } from '../web/live/page.ts'
import { createLiveRouter } from '../web/live/router.ts'
import type { Protection } from '../web/protection.ts'
import { createApp } from '../web/server.ts'
import type { Engine } from './engine.ts'
import { Monitor } from './live/monitor.ts'
import { Rooms } from './live/rooms.ts'
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
  const { options, log, holder, webHolder } = engine
  const { telemetryPath, grafanaUrl } = options
  const protection = webHolder && (() => webHolder.current())
  const collectors = COLLECTOR_NAMES.filter((name) => options.collectors.has(name))
  const scrapes = new ScrapeMemory(collectors, () => Date.now() / 1000)
  const collect = createCollect(engine, scrapes)
  const rooms = new Rooms(engine)
  const room = (tier: string) => rooms.of(tier)
  const live = new Monitor(engine, { collect, scrapes, ready, room })
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
    protection,
    log,
  })
  const address = options.listenAddress
  const lacks = isLoopback(address) ? [] : whatLacks(protection?.())
  if (lacks.length > 0) {
    log.warn(`${address} is open to the network, ${lacks.join(' and ')} (--web.config.file)`)
  }
  const listening = await listen(app, { address, protection, log })
  return {
    ...listening,
    async close() {
      live.close()
      events.close() // they would be waited for
      await listening.close()
    },
  }
}

function whatLacks(protection: Partial<Protection> = {}): string[] {
  const { tls, users = {} } = protection
  // Who has shown a certificate of the right kind needs no password.
  const isKnown = Object.keys(users).length > 0 || tls?.clientAuth === 'RequireAndVerifyClientCert'
  return [...(tls ? [] : ['without TLS']), ...(isKnown ? [] : ['without a password'])]
}
