import type { ServerResponse } from 'node:http'

/** Answers with one sentence. */
export function text(response: ServerResponse, status: number, sentence: string): void {
  const body = Buffer.from(`${sentence}\n`)
  const headers = { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': body.length }
  response.writeHead(status, headers).end(body)
}
