import { loadConfig } from '../config/load.ts'
import { ConfigHolder } from '../config/watch.ts'
import { KvmioError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { RunSummary, StudyEvent } from '../study/event.ts'
import { callControl } from '../web/control.ts'
import { controlPath } from './control.ts'
import { Engine } from './engine.ts'
import { prune } from './keeping.ts'
import { listenWeb } from './listen.ts'
import type { ServeOptions } from './options.ts'

/**
 * A kind of work that a command hands to the kvmio that serves its state directory, or else does itself. What it is
 * asked, tells and gives is plain data, since it may cross the control socket.
 */
export interface Work<Request, Event, Result> {
  /** Its name on the control socket, in small letters. */
  kind: string
  /** What another kvmio asks for; throws where that is not a request. */
  parse(body: unknown): Request
  do(
    engine: Engine,
    request: Request,
    tell: (event: Event) => void,
    signal: AbortSignal,
  ): Promise<Result>
}

/** A kind of work as the control socket has it: what is asked, told and given is whatever crosses it. */
export interface ServedWork {
  kind: string
  /** Throws where the body is no request. */
  do(
    engine: Engine,
    body: unknown,
    tell: (event: unknown) => void,
    signal: AbortSignal,
  ): Promise<unknown>
}

export function served<Request, Event, Result>(work: Work<Request, Event, Result>): ServedWork {
  const { kind } = work
  return { kind, do: (engine, body, ...rest) => work.do(engine, work.parse(body), ...rest) }
}

/** What comes back over the socket: events, and the result last. */
export type WorkMessage<Event, Result> = { event: Event } | { result: Result }

export interface Worker {
  /** Does one piece of work, here or where it was handed over to. */
  do<Request, Event, Result>(
    work: Work<Request, Event, Result>,
    request: Request,
    tell: (event: Event) => void,
  ): Promise<Result>
  /** How the runs went that a killed kvmio had left, and that were seen to their ends here first. */
  takenUp: readonly RunSummary[]
}

export interface WorkerOptions extends ServeOptions {
  /** Of runs that are taken up. */
  onStudyEvent(event: StudyEvent): void
}

/**
 * Lets a command do its work: by the kvmio that serves the state directory, if there is one, or else on an engine of its
 * own, whose metrics are served meanwhile.
 */
export async function withWorker<T>(
  options: WorkerOptions,
  log: Log,
  signal: AbortSignal,
  use: (worker: Worker) => Promise<T>,
): Promise<T> {
  const config = await loadConfig(options.configFile)
  const path = controlPath(config.state)
  if (await callControl({ path, method: 'GET', url: '/v1/status' })) {
    process.stderr.write('handed over to the kvmio that serves this state directory\n')
    return await use(workerOver(path, signal))
  }
  const engine = await Engine.open(options, new ConfigHolder(config, { log }), log, signal)
  try {
    const web = await listenWeb(engine, () => undefined)
    try {
      return await use(await workerHere(engine, options, signal))
    } finally {
      await web.close()
    }
  } finally {
    await engine.close()
  }
}

function workerOver(path: string, signal: AbortSignal): Worker {
  return {
    takenUp: [],
    async do<Request, Event, Result>(
      { kind }: Work<Request, Event, Result>,
      body: Request,
      tell: (event: Event) => void,
    ) {
      const answer = await callControl({
        path,
        method: 'POST',
        url: `/v1/work/${kind}`,
        body,
        signal,
        onEvent(message) {
          const { event } = message as { event?: Event }
          if (event !== undefined) tell(event)
        },
      })
      if (!answer) throw new KvmioError(`the kvmio on ${path} ended before the work did`)
      return (answer.value as { result: Result }).result
    },
  }
}

async function workerHere(
  engine: Engine,
  { onStudyEvent }: WorkerOptions,
  signal: AbortSignal,
): Promise<Worker> {
  const unfinished = await engine.start()
  await prune(engine)
  const takenUp: RunSummary[] = []
  const unsubscribe = engine.onEvent(onStudyEvent)
  for (const run of unfinished) takenUp.push(await engine.takeUp(run, signal))
  unsubscribe()
  return { takenUp, do: (work, request, tell) => work.do(engine, request, tell, signal) }
}
