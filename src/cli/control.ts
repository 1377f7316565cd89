import { join } from 'node:path'
import type { ControlHandlers } from '../web/control.ts'
import type { Engine } from './engine.ts'
import { version } from './version.ts'
import type { ServedWork, WorkMessage } from './work.ts'

export function controlPath(stateDir: string): string {
  return join(stateDir, 'control', 'kvmio.sock')
}

export interface WorkHandlers extends ControlHandlers {
  /** Waits until no work goes on: one whose client has gone may still be giving back what it had. */
  settled(): Promise<void>
}

/** Does for another kvmio command what it asks for, on this one's tiers, once the engine has started. */
export function controlHandlers(
  engine: Engine,
  works: readonly ServedWork[],
  started: Promise<void>,
  ending: AbortSignal,
): WorkHandlers {
  const going = new Set<Promise<unknown>>()
  return {
    status: () => ({ version }),
    works: Object.fromEntries(
      works.map((work) => [
        work.kind,
        async function* (body: unknown, signal: AbortSignal) {
          const both = AbortSignal.any([signal, ending])
          await unlessAborted(started, both)
          yield* messagesOf(work, engine, body, both, going)
        },
      ]),
    ),
    async settled() {
      await Promise.allSettled(going)
    },
  }
}

async function* messagesOf(
  work: ServedWork,
  engine: Engine,
  body: unknown,
  signal: AbortSignal,
  going: Set<Promise<unknown>>,
): AsyncGenerator<WorkMessage<unknown, unknown>> {
  const messages: WorkMessage<unknown, unknown>[] = []
  let wake = Promise.withResolvers<void>()
  const tell = (event: unknown) => {
    messages.push({ event })
    wake.resolve()
  }
  engine.log.info({ asked: body }, `another command hands over its work: ${work.kind}`)
  const working = work.do(engine, body, tell, signal)
  let ended = false
  going.add(working)
  const end = () => {
    going.delete(working)
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

async function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
