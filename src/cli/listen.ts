import { COLLECTOR_NAMES } from '../collector/all.ts'
import { CONTENT_TYPE } from '../metrics/render.ts'
import { isLoopback, type Listening, listen } from '../web/listen.ts'
import type { Protection } from '../web/protection.ts'
import { createApp } from '../web/server.ts'
import type { Engine } from './engine.ts'
import { createPage } from './page.ts'
import { statusOf } from './status.ts'
import { version } from './version.ts'

/** Serves the engine's metrics on the address of the flags. `ready` tells why it is not ready yet. */
export async function listenWeb(
  engine: Engine,
  ready: () => string | undefined,
): Promise<Listening> {
  const { options, log, holder, webHolder } = engine
  const protection = webHolder && (() => webHolder.current())
  const app = createApp({
    version,
    telemetryPath: options.telemetryPath,
    maxRequests: options.maxRequests,
    collectors: COLLECTOR_NAMES.filter((name) => options.collectors.has(name)),
    metrics: createPage(engine),
    contentType: CONTENT_TYPE,
    ready,
    reload: () => holder.reload(),
    status: () => statusOf(engine),
    protection,
    log,
  })
  const address = options.listenAddress
  const lacks = isLoopback(address) ? [] : whatLacks(protection?.())
  if (lacks.length > 0) {
    log.warn(`${address} is open to the network, ${lacks.join(' and ')} (--web.config.file)`)
  }
  return await listen(app, { address, protection, log })
}

function whatLacks(protection: Partial<Protection> = {}): string[] {
  const { tls, users = {} } = protection
  // Who has shown a certificate of the right kind needs no password.
  const isKnown = Object.keys(users).length > 0 || tls?.clientAuth === 'RequireAndVerifyClientCert'
  return [...(tls ? [] : ['without TLS']), ...(isKnown ? [] : ['without a password'])]
}
