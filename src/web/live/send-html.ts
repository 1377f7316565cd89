import type { Response } from 'express'

// Nothing from elsewhere, nothing inline, in nobody's frame.
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Answers with a page that may load only what this server has, and is never kept. */
export function sendHtml(response: Response, page: string): void {
  response.set({
    'Content-Security-Policy': POLICY,
    'Cache-Control': 'no-store',
    'Referrer-Policy': 'no-referrer',
  })
  response.type('html').send(page)
}
