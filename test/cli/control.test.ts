import t from 'tap'
import { controlHandlers } from '../../src/cli/control.ts'
import type { Engine } from '../../src/cli/engine.ts'
import { served, type Work } from '../../src/cli/work.ts'
import { KvmioError } from '../../src/lib/errors.ts'
import { silentLog } from '../../src/lib/log.ts'

const engine = { log: silentLog } as Engine

/** Work that tells of its request and ends when it is told to. */
function workOf() {
  const end = Promise.withResolvers<string>()
  const signals: AbortSignal[] = []
  const work: Work<number, string, string> = {
    kind: 'dig',
    parse(body) {
      if (typeof body !== 'number') throw new KvmioError('expected a depth')
      return body
    },
    async do(_engine, depth, tell, signal) {
      signals.push(signal)
      tell(`digging ${depth}`)
      return await end.promise
    },
  }
  return { work, end, signals }
}

function handlersFor(work: Work<number, string, string>, started = Promise.resolve()) {
  const ending = new AbortController()
  const handlers = controlHandlers(engine, [served(work)], started, ending.signal)
  const client = new AbortController()
  return {
    ending,
    client,
    handlers,
    dig: (body: unknown) => handlers.works.dig!(body, client.signal),
  }
}

t.test('events, and the result last', async (t) => {
  const { work, end } = workOf()
  const { dig } = handlersFor(work)
  const messages = dig(4)
  t.strictSame((await messages.next()).value, { event: 'digging 4' })
  end.resolve('a hole')
  t.strictSame((await messages.next()).value, { result: 'a hole' })
  t.ok((await messages.next()).done)
  await t.rejects(dig('deep').next(), { message: 'expected a depth' })
})

t.test('what fails is thrown', async (t) => {
  const { work, end } = workOf()
  const { dig } = handlersFor(work)
  const messages = dig(4)
  await messages.next()
  end.reject(new KvmioError('a stone'))
  await t.rejects(messages.next(), { message: 'a stone' })
})

t.test('work begins when the engine has started, or not at all', async (t) => {
  const { work, signals } = workOf()
  const started = Promise.withResolvers<void>()
  const { dig, client } = handlersFor(work, started.promise)
  const first = dig(1).next()
  t.equal(signals.length, 0)
  started.resolve()
  await first
  t.equal(signals.length, 1)

  const never = handlersFor(work, new Promise(() => {}))
  const waiting = never.dig(2).next()
  never.ending.abort(new KvmioError('kvmio was ended'))
  await t.rejects(waiting, { message: 'kvmio was ended' })
  client.abort(new KvmioError('gone'))
  await t.rejects(dig(3).next(), { message: 'gone' })
  t.equal(signals.length, 1)
})

t.test('settled only when the work of a client that has gone is over', async (t) => {
  const { work, end, signals } = workOf()
  const { dig, client, handlers } = handlersFor(work)
  const messages = dig(4)
  await messages.next()
  client.abort()
  await messages.return(undefined)
  t.ok(signals[0]?.aborted, 'it is told')
  let isSettled = false
  const settled = handlers.settled().then(() => {
    isSettled = true
  })
  await new Promise(setImmediate)
  t.notOk(isSettled)
  end.reject(new KvmioError('ended'))
  await settled
  t.ok(isSettled)
  await t.resolves(handlers.settled(), 'with nothing there is nothing to wait for')
})
