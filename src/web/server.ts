import type { RequestListener, ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import express, {
  type Express,
  type NextFunction,
  type Request,
  type RequestHandler,
  type Response,
} from 'express'
import { messageOf } from '../lib/errors.ts'
import { type MetricsParts, metricsHandler } from './metrics-handler.ts'
import { route } from './route.ts'
import { text } from './text.ts'

/** What the web shows and does, handed in by whoever wires the program together. */
export interface WebParts extends MetricsParts {
  telemetryPath: string
  /** The pages for people, and what stands behind them. */
  pages: RequestHandler
  /** Why kvmio is not ready yet; undefined when it is. */
  ready(): string | undefined
  /** Takes the config over again; throws with its problems. */
  reload(): Promise<void>
}

/** The web application: metrics, health, reload and pages for people. */
export function createApp(parts: WebParts): RequestListener {
  const metrics = metricsHandler(parts)
  const app = createExpressApp(parts, metrics)
  // Prometheus' own question is answered without express' way to a handler, which takes 30 µs.
  return (request, response) => {
    const isScrape = request.method === 'GET' && request.url?.split('?')[0] === parts.telemetryPath
    if (!isScrape) return app(request, response)
    response.setHeader('X-Content-Type-Options', 'nosniff')
    metrics(request, response).catch((error) => failed(parts, error, request.url, response))
  }
}

function createExpressApp(parts: WebParts, metrics: ReturnType<typeof metricsHandler>): Express {
  const app = express()
  for (const setting of ['x-powered-by', 'etag']) app.disable(setting)
  for (const setting of ['case sensitive routing', 'strict routing']) app.enable(setting)
  app.use((_request, response, next) => {
    response.set('X-Content-Type-Options', 'nosniff')
    next()
  })
  route(app, 'get', literal(parts.telemetryPath), metrics)
  route(app, 'get', '/-/healthy', (_request, response) => text(response, 200, 'kvmio is healthy.'))
  route(app, 'get', '/-/ready', (_request, response) => {
    const reason = parts.ready()
    text(response, reason === undefined ? 200 : 503, reason ?? 'kvmio is ready.')
  })
  route(app, 'post', '/-/reload', async (request, response) => {
    const stranger = foreign(request)
    if (stranger) return text(response, 403, stranger)
    try {
      await parts.reload()
    } catch (error) {
      return text(response, 500, messageOf(error))
    }
    text(response, 200, 'The config was reloaded.')
  })
  app.use(parts.pages)
  app.use((_request, response) => text(response, 404, 'There is nothing at this address.'))
  app.use((error: unknown, request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) next(error)
    else failed(parts, error, request.path, response)
  })
  return app
}

function failed(
  { log }: WebParts,
  error: unknown,
  path: string | undefined,
  response: ServerResponse,
): void {
  const status = (error as { status?: unknown }).status
  const known = typeof status === 'number' && status >= 400 && status < 500
  if (!known) log.error({ err: error, path }, 'a request failed')
  if (response.headersSent) response.destroy()
  else text(response, known ? status : 500, messageOf(error))
}

/** A path that express takes as it stands; {}()[]+?!:* are its pattern language's. */
function literal(path: string): string {
  return path.replace(/[{}()[\]+?!:*\\]/g, '\\$&')
}

/**
 * Why a request that changes something is refused: a page of another site made it (Origin), or a name that was pointed
 * at this host to get round that rule (Host; "DNS rebinding", for which an address or the host's own name is no use).
 */
function foreign(request: Request): string | undefined {
  const host = request.get('Host') ?? ''
  const name = host
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase()
  if (isIP(name) === 0 && name !== 'localhost' && name !== hostname().toLowerCase()) {
    return `The Host header names ${JSON.stringify(host)}, which is not this host.`
  }
  const origin = request.get('Origin')
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
    return `The request comes from a page of another site (Origin ${JSON.stringify(origin)}).`
  }
  return undefined
}
