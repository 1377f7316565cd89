import { once } from 'node:events'
import { chmod, mkdir, rm } from 'node:fs/promises'
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { codeOf, KvmioError, messageOf } from '../lib/errors.ts'

// The control socket: HTTP over a unix socket in the state directory, by which `run`, `calibrate` and `density` hand their
// work to the kvmio that serves. Whoever may open the socket may start work, so only its owner can.

/** sun_path of unix(7), less its ending NUL. */
const MAX_PATH_BYTES = 107
const MAX_BODY_BYTES = 2 ** 20

export interface ControlHandlers {
  /** By kind: does the work that the body asks for and tells of it, one event after another; the signal aborts it. */
  works: Readonly<Record<string, (body: unknown, signal: AbortSignal) => AsyncGenerator<unknown>>>
  status(): unknown
}

export interface ControlOptions {
  /** The socket. Its folder is the socket's own and is made private (0700). */
  path: string
  handlers: ControlHandlers
}

export interface Control {
  /** Aborts the work that was asked for here, and removes the socket. */
  close(): Promise<void>
}

/** Listens on the control socket. A socket that a killed kvmio left is replaced: the state's lock says that it is dead. */
export async function listenControl({ path, handlers }: ControlOptions): Promise<Control> {
  checkLength(path)
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await chmod(dirname(path), 0o700)
  await rm(path, { force: true })
  const closing = new AbortController()
  const server = createServer((request, response) => {
    answer(request, response, handlers, closing.signal).catch((error) => {
      if (response.headersSent) response.destroy()
      else sendJson(response, 500, { error: messageOf(error) })
    })
  })
  server.listen(path)
  await once(server, 'listening')
  await chmod(path, 0o600)
  return {
    async close() {
      closing.abort(new KvmioError('kvmio was ended'))
      const closed = once(server, 'close')
      server.close()
      await closed
    },
  }
}

/** What the other kvmio answered: a status, or the last event of the work. */
export interface ControlAnswer {
  value: unknown
}

export interface CallOptions {
  path: string
  method: 'GET' | 'POST'
  url: string
  body?: unknown
  onEvent?: (event: unknown) => void
  /** Ends the work on the other side too. */
  signal?: AbortSignal
}

/**
 * Asks the kvmio that serves this state directory; undefined when no kvmio is running on it. Throws what the
 * other side threw.
 */
export async function callControl(options: CallOptions): Promise<ControlAnswer | undefined> {
  const { path, body, onEvent = () => {}, signal } = options
  checkLength(path)
  try {
    const response = await send(options, body === undefined ? undefined : JSON.stringify(body))
    if (response.headers['content-type'] !== 'application/x-ndjson') {
      return { value: outcome(JSON.parse(await text(response))) }
    }
    let last: unknown
    for await (const line of createInterface({ input: response })) {
      last = outcome(JSON.parse(line))
      onEvent(last)
    }
    if (!response.complete) throw new KvmioError(`the kvmio on ${path} ended before the work did`)
    return { value: last }
  } catch (error) {
    signal?.throwIfAborted() // else it looks as if the other side had ended
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined
    if (code === 'ECONNRESET') {
      throw new KvmioError(`the kvmio on ${path} ended before the work did`, { cause: error })
    }
    throw error
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  handlers: ControlHandlers,
  closing: AbortSignal,
): Promise<void> {
  const what = `${request.method} ${request.url}`
  if (what === 'GET /v1/status') return sendJson(response, 200, { value: handlers.status() })
  const kind = /^POST \/v1\/work\/([a-z]+)$/.exec(what)?.[1]
  const work = kind !== undefined && Object.hasOwn(handlers.works, kind) && handlers.works[kind]
  if (!work) return sendJson(response, 404, { error: `${what} is not known here` })
  const body = await readBody(request)
  if (body === undefined) return sendJson(response, 400, { error: 'the body is not JSON' })
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const signal = AbortSignal.any([gone.signal, closing])
  response.writeHead(200, { 'Content-Type': 'application/x-ndjson' }).flushHeaders()
  try {
    for await (const event of work(body.value, signal)) {
      if (gone.signal.aborted) return
      await writeLine(response, { value: event }, gone.signal)
    }
    response.end()
  } catch (error) {
    if (!gone.signal.aborted) response.end(`${JSON.stringify({ error: messageOf(error) })}\n`)
  }
}

async function writeLine(
  response: ServerResponse,
  line: unknown,
  signal: AbortSignal,
): Promise<void> {
  if (!response.write(`${JSON.stringify(line)}\n`)) await once(response, 'drain', { signal })
}

async function readBody(request: IncomingMessage): Promise<{ value: unknown } | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size > MAX_BODY_BYTES) return undefined
    chunks.push(chunk)
  }
  try {
    return { value: JSON.parse(Buffer.concat(chunks).toString()) }
  } catch {
    return undefined
  }
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json', Connection: 'close' })
  response.end(`${JSON.stringify(value)}\n`)
}

function send({ path, method, url, signal }: CallOptions, body?: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { Host: 'kvmio', 'Content-Type': 'application/json' }
    const request = httpRequest({
      socketPath: path,
      method,
      path: url,
      headers,
      agent: false,
      signal,
    })
    request.once('response', resolve).once('error', reject).end(body)
  })
}

/** A line of an answer says what it has, or what went wrong on the other side. */
function outcome(line: { value?: unknown; error?: string }): unknown {
  if (line.error !== undefined) throw new KvmioError(line.error)
  return line.value
}

function checkLength(path: string): void {
  const bytes = Buffer.byteLength(path)
  if (bytes <= MAX_PATH_BYTES) return
  throw new KvmioError(
    `${path}: a unix socket's path has at most ${MAX_PATH_BYTES} bytes, this one has ${bytes}; choose a shorter "state" in the config`,
  )
}
