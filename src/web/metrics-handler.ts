import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Log } from '../lib/log.ts'
import { text } from './text.ts'

const compress = promisify(gzip)
// A page of 300 kB takes 1.1 ms and leaves 10.7 %; with zlib's own level, 6, it takes 4 ms and leaves 9.3 %.
const GZIP = { level: 1 }

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
  metrics(request: MetricsRequest): Promise<string | Uint8Array>
  log: Log
}

/** Answers a scrape within the time that Prometheus gives, and one that is one too many at once. */
export function metricsHandler(
  parts: MetricsParts,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const { maxRequests, collectors, log } = parts
  let underWay = 0
  return async (request, response) => {
    const [path = '', query = ''] = (request.url ?? '').split('?')
    const chosen = chosenCollectors(new URLSearchParams(query), collectors)
    if (typeof chosen === 'string') return text(response, 400, chosen)
    if (maxRequests > 0 && underWay >= maxRequests) {
      const limit = `${maxRequests} scrapes are under way, which is the limit (--web.max-requests).`
      return text(response, 503, limit)
    }
    const gone = new AbortController()
    response.once('close', () => {
      if (!response.writableFinished) gone.abort()
    })
    underWay++
    try {
      const page = await parts.metrics({
        ...chosen,
        timeoutMs: timeoutMs(request),
        signal: gone.signal,
      })
      response.setHeader('Content-Type', parts.contentType)
      await sendPage(request, response, page)
    } catch (error) {
      if (!gone.signal.aborted) throw error
      log.debug({ path }, 'the client went away before the scrape was done')
    } finally {
      underWay--
    }
  }
}

async function sendPage(
  { headers }: IncomingMessage,
  response: ServerResponse,
  page: string | Uint8Array,
): Promise<void> {
  response.setHeader('Vary', 'Accept-Encoding')
  if (!acceptsGzip(String(headers['accept-encoding'] ?? ''))) {
    response.end(page)
    return
  }
  const body = await compress(page, GZIP)
  response.setHeader('Content-Encoding', 'gzip').end(body)
}

/** `gzip`, `br;q=1.0, gzip;q=0.8, *;q=0.1`: https://www.rfc-editor.org/rfc/rfc9110#name-accept-encoding */
function acceptsGzip(header: string): boolean {
  const weights = new Map(
    header.split(',').map((entry) => {
      const [coding = '', weight = ''] = entry.split(';').map((part) => part.trim())
      return [coding.toLowerCase(), Number(/^q=([\d.]+)$/i.exec(weight)?.[1] ?? 1)]
    }),
  )
  return (weights.get('gzip') ?? weights.get('*') ?? 0) > 0
}

/** The collectors that a request names, or what is wrong with them. */
function chosenCollectors(
  query: URLSearchParams,
  known: readonly string[],
): Pick<MetricsRequest, 'collect' | 'exclude'> | string {
  const collect = query.getAll('collect[]')
  const exclude = query.getAll('exclude[]')
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
function timeoutMs({ headers }: IncomingMessage): number {
  const given = Number(headers['x-prometheus-scrape-timeout-seconds'])
  const seconds = given > 0 && Number.isFinite(given) ? given : DEFAULT_TIMEOUT_S
  return Math.max(seconds - TIMEOUT_OFFSET_S, seconds / 2) * 1000
}
