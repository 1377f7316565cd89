import type { Request, Response } from 'express'

export type Handler = (request: Request, response: Response) => void | Promise<void>

/** Answers with one sentence. */
export function text(response: Response, status: number, sentence: string): void {
  response.status(status).type('text/plain').send(`${sentence}\n`)
}
