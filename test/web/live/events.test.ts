import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createEvents, type EventsOptions } from '../../../src/web/live/events.ts'
import { fakeLive, liveState } from './states.ts'

async function serve(t: Test, more: Partial<EventsOptions> = {}) {
  const live = fakeLive()
  const rendered: number[] = []
  const events = createEvents({
    live,
    version: '1.2.3',
    render({ at }) {
      rendered.push(at)
      return `<p>${at}</p>\n`
    },
    ...more,
  })
  const server = createServer((request, response) => events.handle(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { live, rendered, events, server, port }
}

interface Client {
  response: IncomingMessage
  text(): string
  close(): void
}

async function listener(port: number, method = 'GET'): Promise<Client> {
  const asked = request({ port, method, agent: false }).end()
  asked.on('error', () => {})
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  let text = ''
  response.setEncoding('utf8').on('data', (chunk) => {
    text += chunk
  })
  response.on('error', () => {})
  return { response, text: () => text, close: () => asked.destroy() }
}

async function until(what: string, look: () => boolean): Promise<void> {
  for (let tries = 0; !look(); tries++) {
    if (tries > 1_000) throw new Error(`waited for ${what}`)
    await sleep(10)
  }
}

const state = (at: number) => liveState({ at })

t.test('each event has all of it, and ends with an empty line', async (t) => {
  const { live, port } = await serve(t)
  const { response, text } = await listener(port)
  t.equal(response.headers['content-type'], 'text/event-stream; charset=utf-8')
  t.equal(response.headers['cache-control'], 'no-store')
  await until('a listener', () => live.listeners === 1)
  live.tell(state(5))
  await until('an event', () => text().includes('<p>5'))
  t.equal(
    text(),
    'retry: 2000\nevent: version\ndata: 1.2.3\n\nevent: state\ndata: <p>5</p>\ndata: \n\n',
  )
})

t.test('a carriage return in a name ends no line of an event', async (t) => {
  const { live, port } = await serve(t, { render: () => 'a\revent: evil\r\nb' })
  const { text } = await listener(port)
  await until('a listener', () => live.listeners === 1)
  live.tell(state(1))
  await until('an event', () => text().includes('data: b'))
  t.match(text(), /event: state\ndata: a\ndata: event: evil\ndata: b\n\n$/)
})

t.test('fifty pages cost one rendering, none costs none', async (t) => {
  const { live, port, rendered } = await serve(t)
  live.tell(state(1))
  t.strictSame([rendered, live.listeners], [[], 0], 'nobody listens')
  const clients = await Promise.all(Array.from({ length: 50 }, () => listener(port)))
  t.equal(live.listeners, 1)
  live.tell(state(2))
  live.tell(state(3))
  await until('all events', () => clients.every(({ text }) => text().includes('<p>3')))
  t.strictSame(rendered, [2, 3])
  for (const { close } of clients.slice(1)) close()
  await sleep(50)
  live.tell(state(4))
  await until('the event', () => clients[0]!.text().includes('<p>4'))
  clients[0]!.close()
  await until('nobody', () => live.listeners === 0)
  const again = await listener(port)
  await until('somebody', () => live.listeners === 1)
  live.tell(state(5))
  await until('an event again', () => again.text().includes('<p>5'))
})

t.test('a client that never reads has one event kept for it, and is cut off', async (t) => {
  const clock = { now: 0 }
  const BIG = 2 ** 20
  const { live, port, server } = await serve(t, {
    render: () => 'x'.repeat(BIG),
    stallMs: 1_000,
    now: () => clock.now,
  })
  const responses: { writableLength: number; destroyed: boolean }[] = []
  server.on('request', (_request, response) => responses.push(response))
  const lazy = connect(port, '127.0.0.1').pause()
  lazy.on('error', () => {})
  lazy.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  const quick = await listener(port)
  await until('two listeners', () => responses.length === 2)
  const [first] = responses as [(typeof responses)[number]]
  let most = 0
  for (let event = 1; event <= 50; event++) {
    live.tell(state(event))
    const received = quick.text().length
    await until('the quick one to have it', () => quick.text().length > received + BIG - 2 ** 17)
    most = Math.max(most, first.writableLength)
  }
  t.ok(most > 0, 'it takes no more')
  t.ok(most < 1.1 * BIG, `${most} bytes were kept for it, of ${50 * BIG}`)
  t.equal(first.destroyed, false)
  clock.now = 1_001
  live.tell(state(51))
  await until('its end', () => first.destroyed)
  t.equal(live.listeners, 1, 'the quick one stays')
})

t.test('one that is slow takes part again when it has read', async (t) => {
  const render = ({ at }: { at: number }) => `${at}${'x'.repeat(2 ** 22)}`
  const { live, port } = await serve(t, { render })
  const slow = await listener(port)
  await until('a listener', () => live.listeners === 1)
  slow.response.pause()
  for (let event = 1; event <= 5; event++) {
    live.tell(state(event))
    await sleep(10)
  }
  slow.response.resume()
  await until('the first', () => slow.text().includes('data: 1x'))
  await until('the next after it', () => {
    live.tell(state(9))
    return slow.text().includes('data: 9x')
  })
  t.notMatch(slow.text(), /data: [345]x/, 'what it had no room for was left out')
})

t.test('no more pages at once than allowed', async (t) => {
  const { port } = await serve(t, { maxStreams: 2 })
  const clients = [await listener(port), await listener(port)]
  const third = await listener(port)
  t.equal(third.response.statusCode, 503)
  await until('the reason', () => third.text() !== '')
  t.equal(third.text(), '2 pages are open, which is the limit.\n')
  clients[0]!.close()
  let again = third
  for (let tries = 0; again.response.statusCode === 503 && tries < 100; tries++) {
    await sleep(10)
    again = await listener(port)
  }
  t.equal(again.response.statusCode, 200)
})

t.test('HEAD ends at once, and closing ends all', async (t) => {
  const { port, events, live } = await serve(t)
  const head = await listener(port, 'HEAD')
  await once(head.response, 'end')
  t.equal(live.listeners, 0)
  const { response } = await listener(port)
  const ended = once(response, 'end')
  events.close()
  await ended
  t.equal(response.complete, true, 'in order, so that the page tries again')
})
