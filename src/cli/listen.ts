import { COLLECTOR_NAMES } from '../collector/all.ts'
import { CONTENT_TYPE } from '../metrics/render.ts'
import { isLoopback, type Listening, listen } from '../web/listen.ts'
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
  const { options, log, holder } = engine
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
    log,
  })
  if (!isLoopback(options.listenAddress)) {
    log.warn(`${options.listenAddress} is open to the network, without TLS and without a password`)
  }
  return await listen(app, { address: options.listenAddress })
}
