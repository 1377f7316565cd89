import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Request, Response } from 'express'
import type { Log } from '../lib/log.ts'
import { type Handler, text } from './text.ts'

const compress = promisify(gzip)

const DEFAULT_TIMEOUT_S = 10
/** What the answer needs to reach Prometheus before its own time is up; blackbox_exporter's --timeout-offset. */
const TIMEOUT_OFFSET_S = 0.5

export interface MetricsRequest {
  /** The only collectors to run; all of them when empty. */
  collect: readonly string[]
  /** The collectors to leave out. */
  exclude: readonly string[]
  timeoutMs: number
  /** Aborted when the client has gone. */
  signal: AbortSignal
}

/** What the handler of the metrics needs. */
export interface MetricsParts {
  /** Of what `metrics` gives. */
  contentType: string
  /** Scrapes at once; 0 for any number. */
  maxRequests: number
  /** The names that collect[] and exclude[] take. */
  collectors: readonly string[]
  metrics(request: MetricsRequest): Promise<string>
  log: Log
}

/** Answers a scrape within the time that Prometheus gives, and one that is one too many at once. */
export function metricsHandler(parts: MetricsParts): Handler {
  const { maxRequests, collectors, log } = parts
  let underWay = 0
  return async (request, response) => {
    const chosen = chosenCollectors(request, collectors)
    if (typeof chosen === 'string') return text(response, 400, chosen)
    if (maxRequests > 0 && underWay >= maxRequests) {
      const limit = `${maxRequests} scrapes are under way, which is the limit (--web.max-requests).`
      return text(response, 503, limit)
    }
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    underWay++
    try {
      const page = await parts.metrics({
        ...chosen,
        timeoutMs: timeoutMs(request),
        signal: gone.signal,
      })
      response.set('Content-Type', parts.contentType)
      await sendPage(request, response, page)
    } catch (error) {
      if (!gone.signal.aborted) throw error
      log.debug({ path: request.path }, 'the client went away before the scrape was done')
    } finally {
      underWay--
    }
  }
}

async function sendPage(request: Request, response: Response, page: string): Promise<void> {
  response.set('Vary', 'Accept-Encoding')
  if (request.acceptsEncodings('gzip', 'identity') !== 'gzip') {
    response.end(page)
    return
  }
  const body = await compress(page)
  response.set('Content-Encoding', 'gzip').end(body)
}

/** The collectors that a request names, or what is wrong with them. */
function chosenCollectors(
  { query }: Request,
  known: readonly string[],
): Pick<MetricsRequest, 'collect' | 'exclude'> | string {
  const collect = [query['collect[]'] ?? []].flat().map(String)
  const exclude = [query['exclude[]'] ?? []].flat().map(String)
  if (collect.length > 0 && exclude.length > 0) {
    return 'collect[] and exclude[] cannot be given together.'
  }
  const unknown = [...collect, ...exclude].find((name) => !known.includes(name))
  if (unknown !== undefined) {
    const parameter = collect.length > 0 ? 'collect[]' : 'exclude[]'
    return `${parameter}: there is no collector ${JSON.stringify(unknown)}; known ones are ${known.join(', ')}.`
  }
  return { collect, exclude }
}

/** The time that Prometheus gives, less what the way back takes; half of it when it is short. */
function timeoutMs(request: Request): number {
  const given = Number(request.get('X-Prometheus-Scrape-Timeout-Seconds'))
  const seconds = given > 0 && Number.isFinite(given) ? given : DEFAULT_TIMEOUT_S
  return Math.max(seconds - TIMEOUT_OFFSET_S, seconds / 2) * 1000
}
