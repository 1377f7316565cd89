import { createServer, type IncomingMessage, request } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { ConfigError } from '../../src/lib/errors.ts'
import { silentLog } from '../../src/lib/log.ts'
import { isLoopback, listen } from '../../src/web/listen.ts'
import type { MetricsRequest } from '../../src/web/metrics-handler.ts'
import { createApp, type WebParts } from '../../src/web/server.ts'

const PAGE = '# HELP up 1.\n# TYPE up gauge\nup 1\n'

t.test('a scrape gets the page', async (t) => {
  const { get, requests } = await serve(t)
  const { status, headers, body } = await get('/metrics')
  t.equal(status, 200)
  t.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  t.equal(headers['content-encoding'], undefined)
  t.equal(headers['x-powered-by'], undefined)
  t.equal(body.toString(), PAGE)
  t.match(requests, [{ collect: [], exclude: [], timeoutMs: 9500 }])
})

t.test('compressed for those who ask', async (t) => {
  const { get } = await serve(t)
  const { headers, body } = await get('/metrics', { headers: { 'Accept-Encoding': 'gzip' } })
  t.equal(headers['content-encoding'], 'gzip')
  t.equal(headers.vary, 'Accept-Encoding')
  t.equal(gunzipSync(body).toString(), PAGE)
  const refused = await get('/metrics', { headers: { 'Accept-Encoding': 'gzip;q=0, identity' } })
  t.equal(refused.body.toString(), PAGE)
})

t.test("Prometheus' time limit, less half a second", async (t) => {
  const { get, requests } = await serve(t)
  const limits: [given: string, timeoutMs: number][] = [
    ['15', 14_500],
    ['2.25', 1750],
    ['0.4', 200],
    ['0', 9500],
    ['-3', 9500],
    ['soon', 9500],
    ['Infinity', 9500],
  ]
  for (const [given] of limits) {
    await get('/metrics', { headers: { 'X-Prometheus-Scrape-Timeout-Seconds': given } })
  }
  t.strictSame(
    requests.map(({ timeoutMs }) => timeoutMs),
    limits.map(([, timeoutMs]) => timeoutMs),
  )
})

t.test('collectors are chosen by name', async (t) => {
  const { get, requests } = await serve(t)
  await get('/metrics?collect[]=qmp&collect[]=iostat')
  await get('/metrics?exclude%5B%5D=iostat')
  t.match(requests, [
    { collect: ['qmp', 'iostat'], exclude: [] },
    { collect: [], exclude: ['iostat'] },
  ])
  const bad: [query: string, message: string][] = [
    [
      'collect[]=disk',
      'collect[]: there is no collector "disk"; known ones are diskstats, qmp, iostat.\n',
    ],
    [
      'exclude[]=qmp&exclude[]=',
      'exclude[]: there is no collector ""; known ones are diskstats, qmp, iostat.\n',
    ],
    ['collect[]=qmp&exclude[]=iostat', 'collect[] and exclude[] cannot be given together.\n'],
  ]
  for (const [query, message] of bad) {
    const { status, body } = await get(`/metrics?${query}`)
    t.equal(status, 400, query)
    t.equal(body.toString(), message)
  }
  t.equal(requests.length, 2, 'nothing was collected for them')
})

t.test('no more scrapes at once than allowed', async (t) => {
  const release = Promise.withResolvers<string>()
  const { get, requests } = await serve(t, { maxRequests: 2, metrics: () => release.promise })
  const first = [get('/metrics'), get('/metrics')]
  while (requests.length < 2) await sleep(5)
  const third = await get('/metrics')
  t.equal(third.status, 503)
  t.equal(
    third.body.toString(),
    '2 scrapes are under way, which is the limit (--web.max-requests).\n',
  )
  release.resolve(PAGE)
  t.strictSame(
    (await Promise.all(first)).map(({ status }) => status),
    [200, 200],
  )
  t.equal((await get('/metrics')).status, 200, 'and then again')
})

t.test('a client that goes away ends its scrape', async (t) => {
  const ended = Promise.withResolvers<void>()
  const { url, requests } = await serve(t, {
    metrics: async ({ signal }) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      ended.resolve()
      throw signal.reason
    },
  })
  const { port } = new URL(url)
  const client = connect(Number(port), '127.0.0.1')
  client.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n')
  while (requests.length === 0) await sleep(5)
  client.destroy()
  await ended.promise
})

t.test('a failure says what went wrong, without a stack', async (t) => {
  const { get } = await serve(t, { metrics: () => Promise.reject(new Error('no such socket')) })
  const { status, body } = await get('/metrics')
  t.equal(status, 500)
  t.equal(body.toString(), 'no such socket\n')
})

t.test('the metrics stand where --web.telemetry-path says', async (t) => {
  const { get } = await serve(t, { telemetryPath: '/(kvmio)/:metrics*' })
  t.equal((await get('/(kvmio)/:metrics*')).body.toString(), PAGE)
  t.equal((await get('/metrics')).status, 404)
  const root = await serve(t, { telemetryPath: '/' })
  t.equal((await root.get('/')).body.toString(), PAGE)
})

t.test('healthy and ready', async (t) => {
  let reason: string | undefined = 'The journal is being opened.'
  const { get } = await serve(t, { ready: () => reason })
  t.match(await get('/-/healthy'), { status: 200, body: Buffer.from('kvmio is healthy.\n') })
  const waiting = await get('/-/ready')
  t.equal(waiting.status, 503)
  t.equal(waiting.body.toString(), 'The journal is being opened.\n')
  reason = undefined
  const { status, body } = await get('/-/ready')
  t.equal(status, 200)
  t.equal(body.toString(), 'kvmio is ready.\n')
})

t.test('a reload answers with the config problems', async (t) => {
  let problems: string[] = []
  const { get } = await serve(t, {
    reload: async () => {
      if (problems.length > 0) throw new ConfigError(problems)
    },
  })
  const good = await get('/-/reload', { method: 'POST' })
  t.equal(good.status, 200)
  t.equal(good.body.toString(), 'The config was reloaded.\n')
  problems = ['kvmio.yaml:1:1: state: expected a text', 'kvmio.yaml:2:1: tier: unknown key']
  const { status, headers, body } = await get('/-/reload', { method: 'POST' })
  t.equal(status, 500)
  t.equal(headers['content-type'], 'text/plain; charset=utf-8')
  t.equal(body.toString(), `${problems.join('\n')}\n`)
})

t.test('a reload is refused to strangers', async (t) => {
  let reloads = 0
  const { get, url } = await serve(t, {
    reload: async () => {
      reloads++
    },
  })
  const { host, port } = new URL(url)
  const requests: [headers: Record<string, string>, status: number, message: string][] = [
    [{}, 200, 'The config was reloaded.\n'],
    [{ Origin: url }, 200, 'The config was reloaded.\n'],
    [{ Host: `localhost:${port}` }, 200, 'The config was reloaded.\n'],
    [{ Host: `[::1]:${port}` }, 200, 'The config was reloaded.\n'],
    [{ Host: `${hostname().toUpperCase()}:${port}` }, 200, 'The config was reloaded.\n'],
    [
      { Origin: 'http://evil.example' },
      403,
      'The request comes from a page of another site (Origin "http://evil.example").\n',
    ],
    [{ Origin: 'null' }, 403, 'The request comes from a page of another site (Origin "null").\n'],
    [
      { Origin: 'http://127.0.0.1:1' },
      403,
      'The request comes from a page of another site (Origin "http://127.0.0.1:1").\n',
    ],
    [
      { Host: 'evil.example', Origin: 'http://evil.example' },
      403,
      'The Host header names "evil.example", which is not this host.\n',
    ],
    [
      { Host: `${host}.evil.example` },
      403,
      `The Host header names "${host}.evil.example", which is not this host.\n`,
    ],
  ]
  for (const [headers, status, message] of requests) {
    const answer = await get('/-/reload', { method: 'POST', headers })
    t.equal(answer.body.toString(), message)
    t.equal(answer.status, status)
  }
  t.equal(reloads, requests.filter(([, status]) => status === 200).length)
})

t.test('other methods and other paths', async (t) => {
  const { get } = await serve(t)
  const reload = await get('/-/reload')
  t.equal(reload.status, 405)
  t.equal(reload.headers.allow, 'POST')
  t.equal(reload.body.toString(), '/-/reload does not take GET.\n')
  const post = await get('/metrics', { method: 'POST' })
  t.equal(post.status, 405)
  t.equal(post.headers.allow, 'GET, HEAD')
  const nothing = await get('/metrics/')
  t.equal(nothing.status, 404)
  t.equal(nothing.headers['content-type'], 'text/plain; charset=utf-8')
  t.equal(nothing.body.toString(), 'There is nothing at this address.\n')
  const head = await get('/metrics', { method: 'HEAD' })
  t.equal(head.status, 200)
  t.equal(head.body.length, 0)
})

t.test('the pages for people are asked after all else', async (t) => {
  const { get } = await serve(t, {
    pages: ({ path }, response, next) => {
      if (path === '/page' || path === '/metrics') response.send('a page')
      else next()
    },
  })
  t.equal((await get('/page')).body.toString(), 'a page')
  t.equal((await get('/metrics')).body.toString(), PAGE)
  t.equal((await get('/other')).status, 404)
})

t.test('a listen address', async (t) => {
  const bad = [
    '',
    '10177',
    'localhost',
    '127.0.0.1:',
    '::1:10177',
    '[::1]',
    '[a]:1',
    'a b:1',
    ':70000',
  ]
  for (const address of bad) {
    await t.rejects(listen(createApp(parts({})), { address }), {
      name: 'UsageError',
      message: `--web.listen-address: expected HOST:PORT, [IPV6]:PORT or :PORT, got "${address}"`,
    })
  }
  await t.rejects(listen(createApp(parts({})), { address: '192.0.2.1:0' }), {
    message: '192.0.2.1:0 is no address of this host; pass --web.listen-address',
  })
})

t.test('every address of the host, and IPv6', async (t) => {
  for (const [address, start] of [
    [':0', 'http://localhost:'],
    ['localhost:0', 'http://localhost:'],
    ['[::1]:0', 'http://[::1]:'],
  ] as const) {
    let listening: Awaited<ReturnType<typeof listen>>
    try {
      listening = await listen(createApp(parts({})), { address })
    } catch (error) {
      t.match(error, { message: /is no address of this host|EAFNOSUPPORT/ }, 'a host without IPv6')
      continue
    }
    t.teardown(() => listening.close())
    t.ok(listening.url.startsWith(start), listening.url)
    t.equal((await fetch(`${listening.url}/-/healthy`)).status, 200)
  }
})

t.test('a port that is taken', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  t.teardown(() => other.close())
  await new Promise((resolve) => other.once('listening', resolve))
  const address = `127.0.0.1:${(other.address() as AddressInfo).port}`
  await t.rejects(listen(createApp(parts({})), { address }), {
    name: 'KvmioError',
    message: `${address} is in use by another program; pass --web.listen-address`,
  })
})

t.test('closing lets a scrape end and does not wait for idle connections', async (t) => {
  const release = Promise.withResolvers<string>()
  let begun = false
  const { get, url, close } = await serve(t, {
    metrics: () => {
      begun = true
      return release.promise
    },
  })
  const idle = connect(Number(new URL(url).port), '127.0.0.1')
  await new Promise((resolve) => idle.once('connect', resolve))
  await fetch(`${url}/-/healthy`) // leaves a kept-alive connection
  const scrape = get('/metrics')
  while (!begun) await sleep(5)
  const start = performance.now()
  const closed = close()
  release.resolve(PAGE)
  t.equal((await scrape).body.toString(), PAGE)
  await closed
  t.ok(performance.now() - start < 1500, 'without the two seconds of grace')
  await t.rejects(fetch(`${url}/-/healthy`))
})

t.test('closing cuts a scrape that does not end', async (t) => {
  const { get, close } = await serve(t, {
    metrics: ({ signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason)),
      ),
  })
  const scrape = get('/metrics').catch((error: Error) => error.message)
  await sleep(50)
  await close()
  t.equal(await scrape, 'socket hang up')
})

t.test('which addresses only this host can reach', async (t) => {
  for (const address of ['127.0.0.1:1', '127.1.2.3:1', '[::1]:1', 'localhost:1']) {
    t.equal(isLoopback(address), true, address)
  }
  for (const address of [':1', '0.0.0.0:1', '[::]:1', '192.0.2.1:1', '127.evil.example:1']) {
    t.equal(isLoopback(address), false, address)
  }
})

function parts(given: Partial<WebParts>): WebParts {
  return {
    pages: (_request, _response, next) => next(),
    telemetryPath: '/metrics',
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    maxRequests: 40,
    collectors: ['diskstats', 'qmp', 'iostat'],
    metrics: async () => PAGE,
    ready: () => undefined,
    reload: async () => {},
    log: silentLog,
    ...given,
  }
}

interface Answer {
  status: number
  headers: IncomingMessage['headers']
  body: Buffer
}

/** A server on a free port, which the end of the test closes; what was asked of `metrics` is kept. */
async function serve(t: Test, given: Partial<WebParts> = {}) {
  const requests: MetricsRequest[] = []
  const { metrics, ...others } = parts(given)
  const app = createApp({
    ...others,
    metrics: (request) => {
      requests.push(request)
      return metrics(request)
    },
  })
  const { url, close } = await listen(app, { address: '127.0.0.1:0' })
  t.teardown(close)
  return { url, close, requests, get: (path: string, options = {}) => get(url + path, options) }
}

/** fetch() sets Host, Origin and Accept-Encoding itself, so the requests are made by hand. */
async function get(
  url: string,
  options: { method?: string; headers?: Record<string, string> },
): Promise<Answer> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url, { agent: false, ...options }, resolve)
      .once('error', reject)
      .end()
  })
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  return { status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) }
}
