import { loadConfig } from '../config/load.ts'
import { KvmioError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { RunSummary, StudyEvent } from '../study/event.ts'
import type { StudyOptions, StudySummary } from '../study/runner.ts'
import type { ServeOptions } from './options.ts'
import { createProgress } from './progress.ts'
import { runTable, TABLE_NOTE } from './run-table.ts'
import { findStudies } from './studies.ts'
import { type Work, withWorker } from './work.ts'

export interface RunOptions extends ServeOptions, StudyOptions {
  /** As findStudies() reads them. */
  studies: readonly string[]
  /** The command as it was given, to be given again. */
  command: string
}

/** What `run` asks of the kvmio that does the work. */
export interface RunRequest extends StudyOptions {
  /** As a command names it; the path of a suite is absolute. */
  study: string
}

/** Runs one study. */
export const RUN: Work<RunRequest, StudyEvent, StudySummary> = {
  kind: 'run',
  parse: parseRequest,
  async do(engine, { study, ...options }, tell, signal) {
    const found = await engine.findStudy(study)
    const unsubscribe = engine.onEvent((event) => {
      if (event.study === found.name) tell(event)
    })
    try {
      return await engine.runStudy(found, options, signal)
    } finally {
      unsubscribe()
    }
  },
}

/** Runs studies one after another and prints what they came to. False when a run did not pass. */
export async function runStudies(
  options: RunOptions,
  log: Log,
  signal: AbortSignal,
): Promise<boolean> {
  const config = await loadConfig(options.configFile)
  const studies = await findStudies(options.studies, config)
  const progress = createProgress(process.stderr)
  const tell = (event: StudyEvent) => progress.event(event)
  const { blocks, only, failFast } = options
  try {
    const summaries = await withWorker(
      { ...options, onStudyEvent: tell },
      log,
      signal,
      async (worker) => {
        const summaries: StudySummary[] = worker.takenUp.map((run) => ({
          runs: [run],
          skipped: [],
        }))
        for (const { reference } of studies) {
          if (signal.aborted || (failFast && hasFailed(summaries))) break
          summaries.push(await worker.do(RUN, { study: reference, blocks, only, failFast }, tell))
        }
        return summaries
      },
    )
    for (const summary of summaries) process.stdout.write(report(summary))
    if (signal.aborted) process.stderr.write(howToGoOn(options))
    return !signal.aborted && summaries.every(({ runs }) => allPassed(runs))
  } finally {
    progress.stop()
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

/** A void run may be followed by one that passed. */
function allPassed(runs: readonly RunSummary[]): boolean {
  const last = new Map(runs.map(({ case: name, outcome }) => [name, outcome]))
  return (
    runs.every(({ outcome }) => outcome === 'passed' || outcome === 'void') &&
    [...last.values()].every((outcome) => outcome === 'passed')
  )
}

function hasFailed(summaries: readonly StudySummary[]): boolean {
  return summaries.some(({ runs }) => runs.some(({ outcome }) => outcome === 'failed'))
}

function howToGoOn({ command }: RunOptions): string {
  return `What has ended is in the journal; the run that went on is abandoned. To go on: ${command}\n`
}

function report({ runs, skipped, note }: StudySummary): string {
  const left = skipped.map(({ case: name, reason }) => `skipped ${name}: ${reason}\n`).join('')
  if (note !== undefined) return `${left}${note}\n`
  return runs.length === 0 ? left : `\n${runTable(runs)}\n\n${left}${TABLE_NOTE}\n`
}
