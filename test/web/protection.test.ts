import { execFile } from 'node:child_process'
import type { IncomingMessage } from 'node:http'
import { type RequestOptions, request as requestTls } from 'node:https'
import { connect as connectTcp } from 'node:net'
import { connect, type PeerCertificate, type TLSSocket } from 'node:tls'
import { hash } from 'bcryptjs'
import t, { type Test } from 'tap'
import { silentLog } from '../../src/lib/log.ts'
import { listen } from '../../src/web/listen.ts'
import type { Protection } from '../../src/web/protection.ts'
import { createApp } from '../../src/web/server.ts'
import type { TlsSettings } from '../../src/web/tls.ts'
import { makeAuthority, makeCertificate, type Pair } from '../certificates.ts'

const folder = t.testdir()
const authority = await makeAuthority(folder)
const server = await makeCertificate(folder, 'server', authority, [
  'DNS:localhost',
  'DNS:kvmio.example',
  'IP:127.0.0.1',
])
const renewed = await makeCertificate(folder, 'renewed', authority)
const client = await makeCertificate(folder, 'client', authority, [
  'DNS:prometheus.example',
  'URI:spiffe://a/b,c',
  'IP:192.0.2.1',
])
const stranger = await makeCertificate(folder, 'stranger', await makeAuthority(folder, 'else'))
const users = { alice: await hash('secret', 4) }

const settings = (more: Partial<TlsSettings> = {}): TlsSettings => ({
  ...{ cert: server.cert, key: server.key, clientAuth: 'NoClientCert', minVersion: 'TLSv1.2' },
  honorCipherOrder: true,
  ...more,
})

t.test('a certificate that is replaced is that of the next connection', async (t) => {
  const now = { protection: given({ tls: settings() }) }
  const { get, port } = await serve(t, () => now.protection)
  t.equal((await get('/metrics')).body, 'up 1\n')
  t.equal((await peer(port)).subject.CN, 'server')
  const kept = await connected(port)
  now.protection = given({ tls: settings({ cert: renewed.cert, key: renewed.key }) })
  t.equal((await peer(port)).subject.CN, 'renewed')
  t.equal(kept.destroyed, false, 'the one that there was goes on')
  kept.destroy()
})

t.test('versions, cipher suites and curves', async (t) => {
  const now = { protection: given({ tls: settings() }) }
  const { port } = await serve(t, () => now.protection)
  const agreed = async (more: Partial<TlsSettings>, asked: object = {}) => {
    now.protection = given({ tls: settings(more) })
    const socket = await connected(port, asked)
    const { name, version } = socket.getCipher()
    const { name: curve } = socket.getEphemeralKeyInfo() as { name?: string }
    const protocol = socket.getProtocol()
    socket.destroy()
    return { protocol, name, version, curve }
  }
  t.match(await agreed({}), { protocol: 'TLSv1.3' })
  t.match(await agreed({}, { maxVersion: 'TLSv1.2' }), { protocol: 'TLSv1.2' })
  // A client that takes anything: it is the server that refuses.
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }
  await t.rejects(agreed({}, old), /protocol version/)
  t.match(await agreed({ maxVersion: 'TLSv1.2' }), { protocol: 'TLSv1.2' })
  await t.rejects(agreed({ minVersion: 'TLSv1.3' }, { maxVersion: 'TLSv1.2' }), /protocol version/)
  const ciphers = ['ECDHE-ECDSA-AES128-SHA']
  t.match(await agreed({ ciphers }, { maxVersion: 'TLSv1.2' }), { name: ciphers[0] })
  t.match(await agreed({ ciphers }), { protocol: 'TLSv1.3' }, 'which has suites of its own')
  const one = { ciphers: ['TLS_CHACHA20_POLY1305_SHA256', ...ciphers] }
  t.match(await agreed(one), { name: 'TLS_CHACHA20_POLY1305_SHA256' })
  t.match(await agreed({ curves: ['P-384'] }), { curve: 'secp384r1' })
  await t.rejects(agreed({ curves: ['P-384'] }, { ecdhCurve: 'X25519' }), /handshake failure/)
})

t.test("a client's certificate", async (t) => {
  const clientCa = authority.cert
  const only = (...clientAllowedSans: string[]): Partial<TlsSettings> => ({
    ...{ clientAuth: 'RequireAndVerifyClientCert', clientCa, clientAllowedSans },
  })
  const cases: [more: Partial<TlsSettings>, none: boolean, own: boolean, strange: boolean][] = [
    [{ clientAuth: 'NoClientCert' }, true, true, true],
    [{ clientAuth: 'RequestClientCert' }, true, true, true],
    [{ clientAuth: 'RequireAnyClientCert' }, false, true, true],
    [{ clientAuth: 'VerifyClientCertIfGiven', clientCa }, true, true, false],
    [{ clientAuth: 'RequireAndVerifyClientCert', clientCa }, false, true, false],
    [only('a.example', 'prometheus.example'), false, true, false],
    [only('spiffe://a/b,c'), false, true, false],
    [only('192.0.2.1'), false, true, false],
    [only('example', 'spiffe://a/b'), false, false, false],
  ]
  for (const [more, ...expected] of cases) {
    const { get } = await serve(t, () => given({ tls: settings(more) }))
    const comesIn = async (pair?: Pair) => {
      const answer = await get('/metrics', { cert: pair?.cert, key: pair?.key }).catch(() => null)
      return answer?.body === 'up 1\n'
    }
    const found = [await comesIn(), await comesIn(client), await comesIn(stranger)]
    t.strictSame(found, expected, `${more.clientAuth} ${more.clientAllowedSans ?? ''}`)
  }
})

t.test('without a password there is health, and nothing else', async (t) => {
  const { get } = await serve(t, () => given({ tls: settings(), users }))
  for (const path of ['/-/healthy', '/-/ready', '/-/healthy?verbose']) {
    t.equal((await get(path)).status, 200, path)
  }
  const closed = [
    '/',
    '/metrics',
    '/metrics?collect[]=qmp',
    '/live/events',
    '/api/v1/state',
    '/-/healthy/',
  ]
  for (const path of [...closed, '//-/healthy', '/-/healthy/../../metrics', '/-/%68ealthy']) {
    const { status, headers, body } = await get(path)
    t.equal(status, 401, path)
    t.equal(headers['www-authenticate'], 'Basic realm="kvmio", charset="UTF-8"')
    t.equal(body, 'A user and a password are needed.\n')
  }
  t.equal((await get('/-/reload', { method: 'POST' })).status, 401)
  t.equal((await get('/metrics', { auth: 'alice:wrong' })).status, 401)
  t.equal((await get('/metrics', { auth: 'bob:secret' })).status, 401)
  t.equal((await get('/metrics', { auth: 'alice:secret' })).body, 'up 1\n')
  t.equal((await get('/', { auth: 'alice:secret' })).status, 200)
  t.equal((await get('/-/reload', { method: 'POST', auth: 'alice:secret' })).status, 200)
})

t.test('metrics that stand where health does are not open for that', async (t) => {
  const { get } = await serve(t, () => given({ tls: settings(), users }), '/-/healthy')
  t.equal((await get('/-/healthy')).status, 401)
  t.equal((await get('/-/ready')).status, 200)
})

t.test('users that change', async (t) => {
  const now = { protection: given({ tls: settings(), users: {} }) }
  const { get } = await serve(t, () => now.protection)
  t.equal((await get('/metrics')).status, 200)
  now.protection = given({ tls: settings(), users })
  t.equal((await get('/metrics')).status, 401)
})

t.test('who tries many passwords at once is told to wait', async (t) => {
  const slow = { alice: await hash('secret', 9) } // 30 ms and more for each
  const { get } = await serve(t, () => given({ tls: settings(), users: slow }))
  const tries = Array.from({ length: 60 }, (_, index) =>
    get('/metrics', { auth: `alice:${index}` }),
  )
  const statuses = new Set((await Promise.all(tries)).map(({ status }) => status))
  t.strictSame([...statuses].sort(), [401, 503])
})

t.test('the headers of the web config are on each answer', async (t) => {
  const headers = { 'Strict-Transport-Security': 'max-age=31536000', 'X-Frame-Options': 'deny' }
  const { get } = await serve(t, () => given({ tls: settings(), users, headers }))
  for (const path of ['/metrics', '/-/healthy', '/']) {
    const answer = await get(path)
    t.equal(answer.headers['strict-transport-security'], 'max-age=31536000', path)
    t.equal(answer.headers['x-frame-options'], 'deny', path)
  }
})

t.test('over TLS the certificate says which names are its own', async (t) => {
  const { get, port } = await serve(t, () => given({ tls: settings() }))
  const post = (headers: Record<string, string>) => get('/-/reload', { method: 'POST', headers })
  const own = `kvmio.example:${port}`
  const cases: [headers: Record<string, string>, status: number][] = [
    [{ Host: own }, 200],
    [{ Host: own, Origin: `https://${own}` }, 200],
    [{ Host: own, Origin: `http://${own}` }, 403],
    [{ Host: own, Origin: 'https://kvmio.example' }, 403],
    [{ Host: 'evil.example' }, 403],
    [{ Host: own, 'Sec-Fetch-Site': 'same-origin' }, 200],
    [{ Host: own, 'Sec-Fetch-Site': 'none' }, 200],
    [{ Host: own, 'Sec-Fetch-Site': 'same-site' }, 403],
    [{ Host: own, 'Sec-Fetch-Site': 'cross-site' }, 403],
  ]
  for (const [headers, status] of cases) {
    t.equal((await post(headers)).status, status, JSON.stringify(headers))
  }
})

t.test('who speaks no TLS is cut off, and others are served', async (t) => {
  const { get, port } = await serve(t, () => given({ tls: settings() }))
  const plain = connectTcp(port, '127.0.0.1')
  plain.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n')
  let answer = ''
  for await (const chunk of plain.on('error', () => {})) answer += chunk
  t.notMatch(answer, 'up 1')
  t.equal((await get('/metrics')).status, 200)
})

t.test('curl, which knows the authority', async (t) => {
  const { port } = await serve(t, () => given({ tls: settings(), users }))
  const curl = (...args: string[]) =>
    new Promise<string>((resolve) => {
      const url = `https://localhost:${port}/metrics`
      const all = ['-sS', '-w', '%{http_code}', ...args, url]
      execFile('curl', all, (_error, stdout, stderr) => resolve(stdout + stderr))
    })
  const trusting = ['--cacert', authority.certFile]
  t.equal(await curl(...trusting, '-u', 'alice:secret'), 'up 1\n200')
  t.equal(await curl(...trusting), 'A user and a password are needed.\n401')
  t.match(await curl(), /^000curl: \(60\) SSL certificate problem/)
  t.match(await curl(...trusting, '--tls-max', '1.1'), /^000curl: \(35\)/)
})

function given(more: Partial<Protection>): Protection {
  return { headers: {}, users: {}, ...more }
}

interface Answer {
  status: number
  headers: IncomingMessage['headers']
  body: string
}

/** A server with one metric, which the end of the test closes. */
async function serve(t: Test, protection: () => Protection, telemetryPath = '/metrics') {
  const app = createApp({
    ...{ telemetryPath, contentType: 'text/plain', maxRequests: 40 },
    collectors: ['qmp'],
    metrics: async () => 'up 1\n',
    ready: () => undefined,
    reload: async () => {},
    pages: (request, response, next) =>
      request.path === '/' ? void response.end('for people') : next(),
    protection,
    log: silentLog,
  })
  const { url, close } = await listen(app, { address: '127.0.0.1:0', protection })
  t.teardown(close)
  const port = Number(new URL(url).port)
  t.equal(url, `https://127.0.0.1:${port}`)
  return { port, get: (path: string, more: RequestOptions = {}) => get(port, path, more) }
}

async function get(port: number, path: string, more: RequestOptions): Promise<Answer> {
  const options = { host: '127.0.0.1', port, path, ca: authority.cert, agent: false as const }
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    // The Host header may name another, which is not the one that is connected to.
    requestTls({ ...options, servername: 'localhost', ...more }, resolve)
      .once('error', reject)
      .end()
  })
  let body = ''
  for await (const chunk of response) body += chunk
  return { status: response.statusCode!, headers: response.headers, body }
}

async function connected(port: number, more: object = {}): Promise<TLSSocket> {
  const options = { port, host: '127.0.0.1', ca: authority.cert, servername: 'localhost', ...more }
  return await new Promise((resolve, reject) => {
    const socket: TLSSocket = connect(options, () => resolve(socket))
    socket.once('error', reject)
  })
}

async function peer(port: number): Promise<PeerCertificate> {
  const socket = await connected(port)
  const certificate = socket.getPeerCertificate()
  socket.destroy()
  return certificate
}
