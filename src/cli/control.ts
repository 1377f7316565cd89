import { join } from 'node:path'
import type { ControlHandlers } from '../web/control.ts'
import type { Engine } from './engine.ts'
import { version } from './version.ts'
import type { AnyWork, WorkMessage } from './work.ts'

export function controlPath(stateDir: string): string {
  return join(stateDir, 'control', 'kvmio.sock')
}

/** Does for another kvmio command what it asks for, on this one's tiers. */
export function controlHandlers(
  engine: Engine,
  works: readonly AnyWork[],
  ending: AbortSignal,
): ControlHandlers {
  return {
    status: () => ({ version }),
    works: Object.fromEntries(
      works.map((work) => [
        work.kind,
        (body: unknown, signal: AbortSignal) =>
          messagesOf(work, engine, body, AbortSignal.any([signal, ending])),
      ]),
    ),
  }
}

async function* messagesOf(
  work: AnyWork,
  engine: Engine,
  body: unknown,
  signal: AbortSignal,
): AsyncGenerator<WorkMessage<unknown, unknown>> {
  const messages: WorkMessage<unknown, unknown>[] = []
  let wake = Promise.withResolvers<void>()
  const tell = (event: unknown) => {
    messages.push({ event })
    wake.resolve()
  }
  engine.log.info({ asked: body }, `another command hands over its work: ${work.kind}`)
  const working = work.do(engine, work.parse(body), tell, signal)
  let ended = false
  const end = () => {
    ended = true // before the loop wakes, or it would wait for an event that never comes
    wake.resolve()
  }
  working.then(end, end)
  while (!ended || messages.length > 0) {
    yield* messages.splice(0)
    if (ended) break
    await wake.promise
    wake = Promise.withResolvers()
  }
  yield { result: await working }
}
