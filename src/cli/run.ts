import { loadConfig } from '../config/load.ts'
import { ConfigHolder } from '../config/watch.ts'
import type { Log } from '../lib/log.ts'
import type { RunSummary } from '../study/event.ts'
import type { StudyOptions, StudySummary } from '../study/runner.ts'
import { callControl } from '../web/control.ts'
import { controlPath, type RunMessage, type RunRequest } from './control.ts'
import { Engine } from './engine.ts'
import { prune } from './keeping.ts'
import { listenWeb } from './listen.ts'
import type { ServeOptions } from './options.ts'
import { createProgress, type Progress } from './progress.ts'
import { runTable, TABLE_NOTE } from './run-table.ts'
import { type FoundStudy, findStudies } from './studies.ts'

export interface RunOptions extends ServeOptions, StudyOptions {
  /** As findStudies() reads them. */
  studies: readonly string[]
  /** The command as it was given, to be given again. */
  command: string
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
  try {
    const summaries =
      (await handOver(studies, options, config.state, progress, signal)) ??
      (await runHere(studies, options, log, progress, signal))
    for (const summary of summaries) process.stdout.write(report(summary))
    if (signal.aborted) process.stderr.write(howToGoOn(options))
    return !signal.aborted && summaries.every(({ runs }) => allPassed(runs))
  } finally {
    progress.stop()
  }
}

/** Lets the kvmio that serves this state directory do the work; undefined when there is none. */
async function handOver(
  studies: readonly FoundStudy[],
  { blocks, only, failFast }: StudyOptions,
  stateDir: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<StudySummary[] | undefined> {
  const path = controlPath(stateDir)
  if (!(await callControl({ path, method: 'GET', url: '/v1/status' }))) return undefined
  process.stderr.write('handed over to the kvmio that serves this state directory\n')
  const summaries: StudySummary[] = []
  for (const { reference } of studies) {
    if (failFast && hasFailed(summaries)) break
    const body: RunRequest = { study: reference, blocks, only, failFast }
    await callControl({
      path,
      method: 'POST',
      url: '/v1/runs',
      body,
      signal,
      onEvent(message) {
        const { event, summary } = message as { [K in 'event' | 'summary']?: never } & RunMessage
        if (event) progress.event(event)
        if (summary) summaries.push(summary)
      },
    })
  }
  return summaries
}

/** Does the work itself, and serves its metrics meanwhile. */
async function runHere(
  studies: readonly FoundStudy[],
  options: RunOptions,
  log: Log,
  progress: Progress,
  signal: AbortSignal,
): Promise<StudySummary[]> {
  const holder = new ConfigHolder(await loadConfig(options.configFile), { log })
  const engine = await Engine.open(options, holder, log, signal)
  try {
    const web = await listenWeb(engine, () => undefined)
    try {
      engine.onEvent((event) => progress.event(event))
      const summaries: StudySummary[] = []
      const unfinished = await engine.start()
      await prune(engine)
      for (const run of unfinished) {
        summaries.push({ runs: [await engine.takeUp(run, signal)], skipped: [] })
      }
      const { blocks, only, failFast } = options
      for (const study of studies) {
        if (signal.aborted || (failFast && hasFailed(summaries))) break
        summaries.push(await engine.runStudy(study, { blocks, only, failFast }, signal))
      }
      return summaries
    } finally {
      await web.close()
    }
  } finally {
    await engine.close()
  }
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
