import type { IRouter, Request, Response } from 'express'
import { text } from './text.ts'

export type Handler = (request: Request, response: Response) => void | Promise<void>

/** Registers a handler for one method of a path, and 405 for the others. */
export function route(app: IRouter, method: 'get' | 'post', path: string, handler: Handler): void {
  app[method](path, handler)
  app.all(path, (request, response) => {
    response.set('Allow', method === 'get' ? 'GET, HEAD' : 'POST')
    text(response, 405, `${request.path} does not take ${request.method}.`)
  })
}
