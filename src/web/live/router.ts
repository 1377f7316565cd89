import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import express, { type Router } from 'express'
import { type Handler, route } from '../route.ts'
import { apiRoutes } from './api.ts'
import { docsRoutes } from './docs.ts'
import type { Events } from './events.ts'
import { livePage } from './page.ts'
import type { LiveParts } from './parts.ts'
import { sendHtml } from './send-html.ts'

const ASSETS = {
  'script.mjs': 'text/javascript; charset=utf-8',
  'style.css': 'text/css; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const

/** The page at `/`, what it loads and listens to, the JSON behind it, and the documentation. */
export function createLiveRouter(parts: LiveParts, events: Events): Router {
  const router = express.Router({ caseSensitive: true, strict: true })
  route(router, 'get', '/', async (_request, response) => {
    const page = livePage(await parts.live.state(), parts)
    sendHtml(response, page.text)
  })
  for (const [name, type] of Object.entries(ASSETS))
    route(router, 'get', `/live/${name}`, asset(name, type))
  // What browsers ask for beside the pages of plain text, which cannot name an icon.
  route(router, 'get', '/favicon.ico', asset('icon.svg', ASSETS['icon.svg']))
  route(router, 'get', '/live/events', (request, response) => events.handle(request, response))
  apiRoutes(router, parts.live)
  docsRoutes(router, parts.docs)
  return router
}

function asset(name: string, type: string): Handler {
  let content: Promise<Buffer> | undefined
  return async (_request, response) => {
    content ??= readFile(join(import.meta.dirname, name))
    // Of the version that runs now, whatever it was yesterday.
    response.set({ 'Content-Type': type, 'Cache-Control': 'no-cache' }).send(await content)
  }
}
