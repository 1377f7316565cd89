import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { KvmioError } from '../../src/lib/errors.ts'
import { type ControlHandlers, callControl, listenControl } from '../../src/web/control.ts'

t.test('work is told of, event by event, while it goes on', async (t) => {
  const step = Promise.withResolvers<void>()
  const { path, bodies } = await control(t, {
    async *runs() {
      yield { phase: 'boot' }
      await step.promise
      yield { phase: 'shutdown' }
    },
  })
  const events: unknown[] = []
  const answer = await callControl({
    path,
    method: 'POST',
    url: '/v1/work/run',
    body: { study: 'demo', once: true },
    onEvent: (event) => {
      events.push(event)
      step.resolve() // the second event cannot come before the first was seen
    },
  })
  t.strictSame(bodies, [{ study: 'demo', once: true }])
  t.strictSame(events, [{ phase: 'boot' }, { phase: 'shutdown' }])
  t.strictSame(answer, { value: { phase: 'shutdown' } })
})

t.test('status', async (t) => {
  const { path } = await control(t, { status: () => ({ running: ['demo'] }) })
  const answer = await callControl({ path, method: 'GET', url: '/v1/status' })
  t.strictSame(answer, { value: { running: ['demo'] } })
})

t.test('an error of the work is thrown here', async (t) => {
  const { path } = await control(t, {
    async *runs() {
      yield 1
      throw new KvmioError('there is no study "dmeo"; known ones are demo')
    },
  })
  const events: unknown[] = []
  await t.rejects(
    callControl({
      path,
      method: 'POST',
      url: '/v1/work/run',
      body: {},
      onEvent: (event) => events.push(event),
    }),
    { name: 'KvmioError', message: 'there is no study "dmeo"; known ones are demo' },
  )
  t.strictSame(events, [1])
})

t.test('what is not known is refused', async (t) => {
  const { path } = await control(t, {})
  await t.rejects(callControl({ path, method: 'GET', url: '/v1/work/run' }), {
    message: 'GET /v1/work/run is not known here',
  })
  for (const kind of ['walk', 'toString']) {
    await t.rejects(callControl({ path, method: 'POST', url: `/v1/work/${kind}`, body: {} }), {
      message: `POST /v1/work/${kind} is not known here`,
    })
  }
  const answer = await raw(path, '{"study": ')
  t.strictSame(answer, { status: 400, body: '{"error":"the body is not JSON"}\n' })
})

t.test('a client that goes away ends the work', async (t) => {
  const ended = Promise.withResolvers<string>()
  const { path } = await control(t, {
    async *runs(_body, signal) {
      try {
        yield 'begun'
        await sleep(60_000, undefined, { signal })
      } finally {
        ended.resolve('ended')
      }
    },
  })
  const leave = new AbortController()
  const call = callControl({
    path,
    method: 'POST',
    url: '/v1/work/run',
    body: {},
    onEvent: () => leave.abort(),
    signal: leave.signal,
  })
  await t.rejects(call, { name: 'AbortError' })
  t.equal(await ended.promise, 'ended')
})

t.test('a client that reads slowly holds the work up, and loses nothing', async (t) => {
  let made = 0
  const { path } = await control(t, {
    async *runs() {
      for (; made < 200; made++) yield 'x'.repeat(64 * 1024)
    },
  })
  const client = request({ socketPath: path, method: 'POST', path: '/v1/work/run', agent: false })
  client.end('{}')
  const [response] = await once(client, 'response')
  await sleep(200)
  t.ok(made < 100, `12.8 MB are not kept in memory: ${made} of 200 events were made`)
  t.equal((await text(response)).split('\n').length, 201)
})

t.test('closing ends the work and says so', async (t) => {
  const { path, close } = await control(t, {
    async *runs(_body, signal) {
      yield 'begun'
      await new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
      })
    },
  })
  const begun = Promise.withResolvers<unknown>()
  const call = callControl({
    path,
    method: 'POST',
    url: '/v1/work/run',
    body: {},
    onEvent: begun.resolve,
  })
  const rejected = t.rejects(call, { message: 'kvmio was ended' })
  await begun.promise
  await close()
  await rejected
  t.equal(await callControl({ path, method: 'GET', url: '/v1/status' }), undefined)
})

t.test('no kvmio is running: nothing, and no error', async (t) => {
  const folder = await tempFolder(t)
  const call = (path: string) => callControl({ path, method: 'GET', url: '/v1/status' })
  t.equal(await call(join(folder, 'none/socket')), undefined, 'no socket')
  const left = join(folder, 'left')
  await killedListener(left)
  t.equal(await call(left), undefined, 'the socket of a killed one')
})

t.test('one that dies in the middle of the work', async (t) => {
  const path = join(await tempFolder(t), 'socket')
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
    response.write('{"value":1}\n')
    setTimeout(() => response.destroy(), 50)
  }).listen(path)
  t.teardown(() => server.close())
  await once(server, 'listening')
  await t.rejects(callControl({ path, method: 'POST', url: '/v1/work/run', body: {} }), {
    name: 'KvmioError',
    message: `the kvmio on ${path} ended before the work did`,
  })
})

t.test('only its owner can open the socket, and a dead one is replaced', async (t) => {
  const folder = await tempFolder(t)
  const path = join(folder, 'control/socket')
  const first = await listenControl({ path, handlers: handlers({}) })
  t.equal((await stat(join(folder, 'control'))).mode & 0o777, 0o700)
  t.equal((await stat(path)).mode & 0o777, 0o600)
  await first.close()
  await killedListener(path)
  const second = await listenControl({ path, handlers: handlers({}) })
  t.teardown(() => second.close())
  t.same(await callControl({ path, method: 'GET', url: '/v1/status' }), { value: 'status' })
})

t.test('a path that no unix socket can have', async (t) => {
  const path = `/tmp/${'x'.repeat(103)}`
  const message = `${path}: a unix socket's path has at most 107 bytes, this one has 108; choose a shorter "state" in the config`
  await t.rejects(listenControl({ path, handlers: handlers({}) }), { message })
  await t.rejects(callControl({ path, method: 'GET', url: '/v1/status' }), { message })
})

interface Given {
  runs: ControlHandlers['works'][string]
  status: ControlHandlers['status']
}

function handlers({ runs = async function* () {}, status = () => 'status' }: Partial<Given>) {
  return { works: { run: runs }, status }
}

/** A control socket that the end of the test closes; the bodies that it got are kept. */
async function control(t: Test, given: Partial<Given>) {
  const path = join(await tempFolder(t), 'control/socket')
  const bodies: unknown[] = []
  const { works, status } = handlers(given)
  const { close } = await listenControl({
    path,
    handlers: {
      status,
      works: {
        run(body, signal) {
          bodies.push(body)
          return works.run(body, signal)
        },
      },
    },
  })
  let closed: Promise<void> | undefined
  const closeOnce = () => {
    closed ??= close()
    return closed
  }
  t.teardown(closeOnce)
  return { path, bodies, close: closeOnce }
}

async function tempFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kvmio-control-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function raw(path: string, body: string): Promise<{ status: number; body: string }> {
  const client = request({ socketPath: path, method: 'POST', path: '/v1/work/run', agent: false })
  client.end(body)
  const [response] = await once(client, 'response')
  return { status: response.statusCode, body: await text(response) }
}

/** Leaves a socket behind as a process does that is killed. */
async function killedListener(path: string): Promise<void> {
  const code = 'require("net").createServer().listen(process.argv[1], () => console.log("up"))'
  const child = spawn(process.execPath, ['-e', code, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}
