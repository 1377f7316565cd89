import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from '../text.ts'
import type { Live } from './parts.ts'
import type { LiveState } from './state.ts'

// Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html

/** A page is one; this many are more than a team has. */
const MAX_STREAMS = 100
/** A client that has taken nothing for so long is gone, or never reads. */
const STALL_MS = 30_000

export interface EventsOptions {
  live: Live
  version: string
  /** What one event holds. */
  render(state: LiveState): string
  maxStreams?: number
  stallMs?: number
  /** Milliseconds of a monotonic clock. */
  now?(): number
}

export interface Events {
  handle(request: IncomingMessage, response: ServerResponse): void
  /** Ends every stream. */
  close(): void
}

/**
 * The stream of what changes. An event has all of it, so one that a slow client has no room for is left out and nothing is
 * kept for it but the one that it is still taking. Each is rendered once for all, and not at all while nobody listens.
 */
export function createEvents(options: EventsOptions): Events {
  const { live, version, render, maxStreams = MAX_STREAMS, stallMs = STALL_MS } = options
  const now = options.now ?? (() => performance.now())
  /** With the time since when each has not taken what it was sent. */
  const streams = new Map<ServerResponse, number | undefined>()
  let unsubscribe: (() => void) | undefined

  const send = (response: ServerResponse, event: string) => {
    if (response.write(event)) return
    streams.set(response, now())
  }
  const tell = (state: LiveState) => {
    const event = eventText('state', render(state))
    for (const [response, blockedSince] of streams) {
      if (blockedSince === undefined) send(response, event)
      else if (now() - blockedSince > stallMs) response.destroy()
    }
  }
  const leave = (response: ServerResponse) => {
    streams.delete(response)
    if (streams.size > 0) return
    unsubscribe?.()
    unsubscribe = undefined
  }
  return {
    handle(request, response) {
      if (streams.size >= maxStreams) {
        const limit = `${maxStreams} pages are open, which is the limit.`
        return text(response, 503, limit)
      }
      response.writeHead(200, {
        'Content-Type': 'text/event-stream; charset=utf-8',
        'Cache-Control': 'no-store',
        'X-Accel-Buffering': 'no', // else nginx keeps events back
      })
      if (request.method === 'HEAD') return void response.end()
      streams.set(response, undefined)
      response.on('drain', () => {
        if (streams.has(response)) streams.set(response, undefined)
      })
      response.once('close', () => leave(response))
      send(response, `retry: 2000\n${eventText('version', version)}`)
      unsubscribe ??= live.onState(tell)
    },
    close() {
      for (const [response, blockedSince] of streams) {
        if (blockedSince === undefined) response.end()
        else response.destroy()
      }
    },
  }
}

function eventText(name: string, data: string): string {
  const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`)
  return `event: ${name}\n${lines.join('')}\n`
}
