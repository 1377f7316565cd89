import type { Response, Router } from 'express'
import { route } from '../route.ts'
import type { Live } from './parts.ts'

const PARTS = ['tiers', 'vms', 'studies', 'health'] as const
const RUNS = { usual: 20, most: 1_000 }

/** `/api/v1/…`: what the live page shows, as JSON. */
export function apiRoutes(router: Router, live: Live): void {
  route(router, 'get', '/api/v1/status', async (_request, response) =>
    json(response, await live.state()),
  )
  for (const part of PARTS) {
    route(router, 'get', `/api/v1/${part}`, async (_request, response) => {
      const state = await live.state()
      json(response, { at: state.at, [part]: state[part] })
    })
  }
  route(router, 'get', '/api/v1/runs', (request, response) => {
    const query = new URLSearchParams(request.url.split('?')[1])
    const given = query.get('limit')
    const limit = given === null ? RUNS.usual : Number(/^\d{1,9}$/.exec(given)?.[0])
    if (!(limit >= 1 && limit <= RUNS.most)) {
      const error = `limit: expected a whole number from 1 to ${RUNS.most}, got ${JSON.stringify(given)}`
      return json(response.status(400), { error })
    }
    json(response, { runs: live.runs({ study: query.get('study') ?? undefined, limit }) })
  })
}

function json(response: Response, value: unknown): void {
  response.set('Cache-Control', 'no-store').json(value)
}
