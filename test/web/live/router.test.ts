import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { silentLog } from '../../../src/lib/log.ts'
import { listen } from '../../../src/web/listen.ts'
import { createEvents } from '../../../src/web/live/events.ts'
import { createLiveRouter } from '../../../src/web/live/router.ts'
import type { ProtectionNow } from '../../../src/web/protection.ts'
import { createApp } from '../../../src/web/server.ts'
import { fakeLive, liveState, runState, tierState } from './states.ts'

/** The web application with the pages of one state, on a free port. */
async function serve(t: Test, telemetryPath = '/metrics', protection?: ProtectionNow) {
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-docs-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const docs = join(directory, 'docs')
  await mkdir(docs)
  await writeFile(join(docs, 'tiers.md'), '# Tiers <b>\n\nText.\n')
  await writeFile(join(docs, 'image.png'), 'x')
  await writeFile(join(directory, 'secret.md'), '# Secret\n')
  const live = fakeLive()
  const events = createEvents({ live, version: '1.2.3', render: () => '<p></p>' })
  const app = createApp({
    ...{ telemetryPath, contentType: 'text/plain', maxRequests: 1, collectors: [] },
    pages: createLiveRouter({ live, version: '1.2.3', telemetryPath, docs }, events),
    metrics: async () => 'up 1\n',
    ready: () => undefined,
    reload: async () => {},
    log: silentLog,
    protection,
  })
  const { url, close } = await listen(app, { address: '127.0.0.1:0' })
  t.teardown(close)
  const get = async (path: string, options: RequestInit = {}) => {
    const response = await fetch(url + path, options)
    return { status: response.status, headers: response.headers, body: await response.text() }
  }
  return { live, get, url }
}

t.test('the page and what it loads', async (t) => {
  const { get } = await serve(t)
  const { status, headers, body } = await get('/')
  t.equal(status, 200)
  t.equal(headers.get('content-type'), 'text/html; charset=utf-8')
  t.equal(headers.get('cache-control'), 'no-store')
  t.equal(
    headers.get('content-security-policy'),
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  )
  t.match(body, '<h3>sata-7200</h3>')
  const types = {
    '/live/script.mjs': 'text/javascript; charset=utf-8',
    '/live/style.css': 'text/css; charset=utf-8',
    '/live/icon.svg': 'image/svg+xml',
    '/favicon.ico': 'image/svg+xml',
  }
  for (const [path, type] of Object.entries(types)) {
    const asset = await get(path)
    t.equal(asset.status, 200, path)
    t.equal(asset.headers.get('content-type'), type)
    t.ok(asset.body.length > 100)
    t.notMatch(
      asset.body.replaceAll('http://www.w3.org/2000/svg', ''),
      /https?:\/\/(?!html\.spec)|@import|url\(/,
    )
  }
  t.equal((await get('/', { method: 'POST' })).status, 405)
  t.equal((await get('/live/router.ts')).status, 404)
  const taken = await serve(t, '/')
  t.equal((await taken.get('/')).body, 'up 1\n', 'whoever puts the metrics at / has them there')
})

t.test('the JSON behind it', async (t) => {
  const { get, live } = await serve(t)
  const state = JSON.parse(JSON.stringify(liveState()))
  const json = async (path: string) => JSON.parse((await get(path)).body)
  t.strictSame(await json('/api/v1/status'), state)
  for (const part of ['tiers', 'vms', 'studies', 'health']) {
    t.strictSame(await json(`/api/v1/${part}`), { at: state.at, [part]: state[part] })
  }
  t.strictSame(await json('/api/v1/runs'), { runs: state.runs })
  await get('/api/v1/runs?study=a%20b&limit=3')
  t.strictSame(live.asked, [
    { study: undefined, limit: 20 },
    { study: 'a b', limit: 3 },
  ])
  const { headers } = await get('/api/v1/status')
  t.equal(headers.get('content-type'), 'application/json; charset=utf-8')
  t.equal(headers.get('cache-control'), 'no-store')
  t.equal(headers.get('access-control-allow-origin'), null)
  for (const limit of ['0', '1001', '-1', '1.5', 'x', '']) {
    const { status, body } = await get(`/api/v1/runs?limit=${limit}`)
    t.equal(status, 400)
    t.strictSame(JSON.parse(body), {
      error: `limit: expected a whole number from 1 to 1000, got ${JSON.stringify(limit)}`,
    })
  }
  t.equal((await get('/api/v1/tiers', { method: 'POST' })).status, 405)
  t.equal((await get('/api/v1/nothing')).status, 404)
})

t.test('each key of the JSON is documented', async (t) => {
  const page = await readFile(join(import.meta.dirname, '../../../docs/page.md'), 'utf8')
  const json = page.slice(page.indexOf('## JSON'), page.indexOf('## What it costs'))
  const words = new Set(json.match(/\w+/g))
  const keys = (value: unknown): string[] =>
    typeof value !== 'object' || value === null
      ? []
      : Array.isArray(value)
        ? value.flatMap(keys)
        : Object.entries(value).flatMap(([key, inner]) => [key, ...keys(inner)])
  const room = { vms: 1, headroom: 1, bound: 'io', method: 'sigma' }
  const calibration = { endedAt: 1, classes: [{ class: 'a', capacity: 1, peak: 1 }] }
  const { phases: _ofTheWorkload, ...run } = runState({ reason: 'x' })
  const whole = {
    ...liveState({ notReady: 'x', runs: [] }),
    tiers: [
      tierState({ room, calibration, capacitySource: 'rated', place: '/a', unavailable: 'x' }),
    ],
    studies: [{ name: 'a', paused: 'space', waiting: 'x', done: 1, of: 2, planned: 3, left: 4 }],
    run: { ...run, phases: {} },
  }
  t.strictSame(
    keys(whole).filter((key) => !words.has(key)),
    [],
  )
})

t.test('the documentation, and nothing beside it', async (t) => {
  const { get } = await serve(t)
  const list = await get('/docs/')
  t.match(list.body, '<li><a href="/docs/tiers.md">Tiers &lt;b&gt;</a></li>')
  t.notMatch(list.body, /image.png|secret/)
  const page = await get('/docs/tiers.md')
  t.equal(page.headers.get('content-type'), 'text/plain; charset=utf-8')
  t.equal(page.body, '# Tiers <b>\n\nText.\n')
  for (const name of ['image.png', '..%2Fsecret.md', '%2e%2e%2fsecret.md', 'nothing.md', '.']) {
    t.equal((await get(`/docs/${name}`)).status === 200 && name !== '.', false, name)
  }
})

t.test('the stream of events is there', async (t) => {
  const { url, live } = await serve(t)
  const ended = new AbortController()
  const response = await fetch(`${url}/live/events`, { signal: ended.signal })
  t.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  t.equal(live.listeners, 1)
  ended.abort()
})

t.test('with a password, all of it asks for one', async (t) => {
  const users = { alice: '$2b$04$abcdefghijklmnopqrstuuxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' }
  const { get, live } = await serve(t, '/metrics', () => ({ headers: {}, users }))
  const paths = [
    '/',
    '/live/script.mjs',
    '/live/events',
    '/api/v1/status',
    '/api/v1/runs',
    '/docs/',
  ]
  for (const path of paths) t.equal((await get(path)).status, 401, path)
  t.equal(live.listeners, 0)
})
