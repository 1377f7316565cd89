import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import express, {
  type Express,
  type NextFunction,
  type Request,
  type RequestHandler,
  type Response,
} from 'express'
import { messageOf } from '../lib/errors.ts'
import { createBasicAuth } from './basic-auth.ts'
import { type MetricsParts, metricsHandler } from './metrics-handler.ts'
import { BusyError, PasswordCheck } from './password-check.ts'
import type { ProtectionNow } from './protection.ts'
import { route } from './route.ts'
import { foreign } from './strangers.ts'
import { text } from './text.ts'

/** What whoever looks after the process may ask without a password. */
const HEALTH = ['/-/healthy', '/-/ready']

/** What the web shows and does, handed in by whoever wires the program together. */
export interface WebParts extends MetricsParts {
  telemetryPath: string
  /** The pages for people, and what stands behind them. */
  pages: RequestHandler
  /** Why kvmio is not ready yet; undefined when it is. */
  ready(): string | undefined
  /** Takes the config over again; throws with its problems. */
  reload(): Promise<void>
  /** Who may ask, where not everybody may. */
  protection?: ProtectionNow
}

/** The web application: metrics, health, reload and pages for people. */
export function createApp(parts: WebParts): RequestListener {
  const metrics = metricsHandler(parts)
  const app = createExpressApp(parts, metrics)
  // Prometheus' own question is answered without express' way to a handler, which takes 30 µs.
  return guarded(parts, (request, response) => {
    const isScrape = request.method === 'GET' && pathOf(request) === parts.telemetryPath
    if (!isScrape) return app(request, response)
    response.setHeader('X-Content-Type-Options', 'nosniff')
    metrics(request, response).catch((error) => failed(parts, error, request.url, response))
  })
}

/** Before all else: the headers of the web config, and nothing for strangers but whether kvmio is well. */
function guarded(parts: WebParts, answer: RequestListener): RequestListener {
  const { protection, telemetryPath } = parts
  const isAllowed = createBasicAuth(new PasswordCheck())
  const open = HEALTH.filter((path) => path !== telemetryPath)
  return async (request, response) => {
    try {
      const { headers = {}, users = {}, tls } = protection?.() ?? {}
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
      const stranger = foreign(request, tls?.cert)
      if (stranger) return text(response, 403, stranger)
      const isOpen = Object.keys(users).length === 0 || open.includes(pathOf(request))
      // Not awaited where the answer is known: a scrape is answered in the turn in which it came.
      const allowed = isOpen || isAllowed(request.headers.authorization, users)
      if (allowed === true || (allowed !== false && (await allowed))) answer(request, response)
      else unauthorized(response)
    } catch (error) {
      if (error instanceof BusyError) text(response, 503, error.message)
      else failed(parts, error, request.url, response)
    }
  }
}

function pathOf({ url = '' }: IncomingMessage): string {
  return url.split('?')[0] ?? ''
}

function unauthorized(response: ServerResponse): void {
  response.setHeader('WWW-Authenticate', 'Basic realm="kvmio", charset="UTF-8"')
  text(response, 401, 'A user and a password are needed.')
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
  route(app, 'post', '/-/reload', async (_request, response) => {
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
