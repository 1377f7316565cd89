import { join } from 'node:path'
import { KvmioError } from '../lib/errors.ts'
import type { StudyEvent } from '../study/event.ts'
import type { StudyOptions, StudySummary } from '../study/runner.ts'
import type { ControlHandlers } from '../web/control.ts'
import type { Engine } from './engine.ts'
import { version } from './version.ts'

/** What `run` asks of the kvmio that serves. */
export interface RunRequest extends StudyOptions {
  /** As a command names it; the path of a suite is absolute. */
  study: string
}

/** What comes back: events, and the summary last. */
export type RunMessage = { event: StudyEvent } | { summary: StudySummary }

export function controlPath(stateDir: string): string {
  return join(stateDir, 'control', 'kvmio.sock')
}

/** Does for another kvmio command what it asks for, on this one's tiers. */
export function controlHandlers(engine: Engine, ending: AbortSignal): ControlHandlers {
  return {
    status: () => ({ version }),

    async *runs(body, signal): AsyncGenerator<RunMessage> {
      const { study, ...options } = parseRequest(body)
      const found = await engine.findStudy(study)
      const messages: RunMessage[] = []
      let wake = Promise.withResolvers<void>()
      const unsubscribe = engine.onEvent((event) => {
        if (event.study !== found.name) return
        messages.push({ event })
        wake.resolve()
      })
      const work = engine.runStudy(found, options, AbortSignal.any([signal, ending]))
      let ended = false
      const end = () => {
        ended = true // before the loop wakes, or it would wait for an event that never comes
        wake.resolve()
      }
      work.then(end, end)
      try {
        while (!ended || messages.length > 0) {
          yield* messages.splice(0)
          if (ended) break
          await wake.promise
          wake = Promise.withResolvers()
        }
        yield { summary: await work }
      } finally {
        unsubscribe()
      }
    },
  }
}

function parseRequest(body: unknown): RunRequest {
  const { study, blocks, only, failFast } = (body ?? {}) as Record<string, unknown>
  if (typeof study !== 'string') throw new KvmioError('expected the name of a study')
  if (blocks !== undefined && !(Number.isInteger(blocks) && Number(blocks) > 0)) {
    throw new KvmioError(`expected a whole number of blocks, got ${JSON.stringify(blocks)}`)
  }
  if (only !== undefined && typeof only !== 'string') {
    throw new KvmioError(`expected a pattern of case names, got ${JSON.stringify(only)}`)
  }
  return { study, blocks: blocks as number | undefined, only, failFast: failFast === true }
}
