import { randomInt } from 'node:crypto'
import type { GuestConfig, StudyConfig, TierConfig } from '../config/schema.ts'
import { runSeconds } from '../journal/measures.ts'
import type { UnfinishedRun } from '../journal/runs.ts'
import {
  blocksEnded,
  recordSkipped,
  recordStudy,
  runsDone,
  type SkippedCase,
  type StudyRow,
  voidBlocksInRow,
} from '../journal/studies.ts'
import { KvmioError } from '../lib/errors.ts'
import { runBlock } from './block.ts'
import type { StudyContext } from './context.ts'
import type { RunSummary } from './event.ts'
import { expectedTimes } from './expected-time.ts'
import { measured } from './measured.ts'
import { type CasePlan, tiersOf } from './plan.ts'
import { resumeRun } from './run.ts'
import { casesHere, matching } from './runnable.ts'
import { spaceProblem } from './space.ts'
import { enoughBlocks, valuesByCase } from './statistics/enough-blocks.ts'
import { secondsLeft } from './time-left.ts'

export interface StudyTask extends StudyOptions {
  name: string
  study: StudyConfig
  guest: GuestConfig
  /** Of what the study and its guest say. */
  hash: string
}

/** How much of a study is to run now. */
export interface StudyOptions {
  /** How many more blocks; by the study's own rule when absent, or no end when it is continuous. */
  blocks?: number
  /** Only the cases whose names match, in which * stands for any characters, of one block. */
  only?: string
  /** Whether a run that fails ends it. */
  failFast?: boolean
}

export interface StudySummary {
  runs: RunSummary[]
  skipped: SkippedCase[]
  /** Why there was nothing to run. */
  note?: string
}

/**
 * Runs a study block by block, each case once a block in random order, until its blocks are done or the signal comes.
 * What an earlier execution has left of a block is done first.
 */
export async function runStudy(
  task: StudyTask,
  context: StudyContext,
  signal: AbortSignal,
): Promise<StudySummary> {
  const { name, study, guest, hash, only } = task
  const { journal, onEvent } = context
  const cases = await casesHere(task, context, signal)
  const skipped = cases.flatMap(({ name, skip }) =>
    skip === undefined ? [] : [{ case: name, reason: skip }],
  )
  const runnable = cases.filter(({ skip }) => skip === undefined)
  const wanted = new Set(matching(runnable, only).map(({ name }) => name))
  const row = recordStudy(journal, {
    name,
    hash,
    config: { study, guest },
    seed: study.seed ?? randomInt(2 ** 31),
  })
  recordSkipped(journal, row.id, skipped)
  onEvent({
    type: 'study',
    study: name,
    cases: runnable.map(({ name }) => name),
    skipped,
    vms: Math.max(...cases.map(({ study }) => study.vms)),
  })
  if (runnable.length === 0) throw new KvmioError(nothingToRun(name, skipped))
  if (wanted.size === 0) throw new KvmioError(nothingMatches(name, only, runnable))
  const problem = await spaceProblem(runnable, context.tier)
  if (problem !== undefined) throw new KvmioError(`study ${name}: ${problem}`)
  const runs: RunSummary[] = []
  for (let whole = 0; !signal.aborted && !isDone(task, row, whole, context); ) {
    // Two executions of one study take turns, block by block: their vms have the same names.
    using _turn = await takeTurn(name, context, signal)
    const target = blocksAhead(task, row, whole, context)
    const tell = (due: readonly CasePlan[], order: readonly CasePlan[]) =>
      tellProgress(task, row, { due, order, target }, context)
    const pick = { cases: runnable, wanted, isFirst: runs.length === 0 }
    const block = await runBlock(task, row, pick, context, signal, tell)
    runs.push(...block.runs)
    if (block.end === 'whole') whole += 1
    else if (block.end === 'void') stopIfUnsteady(task, row, context)
    else break
    if (only !== undefined) break
  }
  if (runs.length > 0 || signal.aborted) return { runs, skipped }
  return { runs, skipped, note: whyNone(task, row, context) }
}

/** Whether a study has run as often as was asked for now, or as its rule asks for, blocks of earlier executions included. */
function isDone(
  { study, blocks }: StudyTask,
  row: StudyRow,
  whole: number,
  { journal }: StudyContext,
): boolean {
  if (blocks !== undefined) return whole >= blocks
  if (study.schedule === 'continuous') return false
  const values = valuesByCase(measured(journal, { study: row.id }, study))
  return enoughBlocks(study.blocks, blocksEnded(journal, row.id), values, row.seed)
}

/** How many blocks there will be in all, as far as is known; undefined without an end. */
function blocksAhead(
  { study, blocks }: StudyTask,
  row: StudyRow,
  whole: number,
  { journal }: StudyContext,
): number | undefined {
  if (study.schedule === 'continuous') return undefined
  const ended = blocksEnded(journal, row.id)
  if (blocks !== undefined) return ended + blocks - whole
  return Math.min(study.blocks.max, Math.max(study.blocks.min, ended + 1))
}

/** Of an endless study the block that goes on. */
function tellProgress(
  { name, study, hash }: StudyTask,
  row: StudyRow,
  at: { due: readonly CasePlan[]; order: readonly CasePlan[]; target: number | undefined },
  context: StudyContext,
): void {
  const { journal, onEvent } = context
  const { due, order, target } = at
  const ended = blocksEnded(journal, row.id)
  const left = secondsLeft({
    due: due.map(({ name }) => name),
    block: order.map(({ name }) => name),
    blocks: target === undefined ? 0 : Math.max(0, target - ended - 1),
    times: expectedTimes(order, runSeconds(journal, name, hash), tiersHere(order, context)),
    pause: study.pause,
  })
  onEvent({
    type: 'progress',
    study: name,
    ...(target === undefined
      ? { done: order.length - due.length, of: order.length }
      : {
          done: runsDone(journal, row.id),
          of: target * order.length,
          planned: target * order.length,
        }),
    left,
  })
}

function tiersHere(cases: readonly CasePlan[], { tier }: StudyContext): Record<string, TierConfig> {
  const names = new Set(cases.flatMap(({ guest }) => tiersOf(guest)))
  return Object.fromEntries(
    [...names].flatMap((name) => {
      const open = tier(name)
      return open ? [[name, open.config]] : []
    }),
  )
}

/** A host on which the reference case never comes out the same measures nothing, however often it is tried. */
function stopIfUnsteady(
  { name, study }: StudyTask,
  row: StudyRow,
  { journal }: StudyContext,
): void {
  const { count, reason } = voidBlocksInRow(journal, row.id)
  const repeats = study.reference?.repeats ?? 0
  if (count <= repeats) return
  throw new KvmioError(
    `study ${name}: ${count} blocks in a row count for nothing, the last one since ${reason}`,
  )
}

/** Takes up a run that a killed kvmio left behind, under the lease of its tiers. */
export async function takeUpRun(
  unfinished: UnfinishedRun,
  tiers: readonly string[],
  context: StudyContext,
  signal: AbortSignal,
): Promise<RunSummary> {
  // Without the signal: the vms of a run are there, and must be ended where it has come already. Nobody else had these tiers.
  using _lease = await context.leases.acquire([...tiers], `study ${unfinished.study}`)
  const { study, caseName, block, id } = unfinished
  context.onEvent({ type: 'run-started', study, case: caseName, block, run: id, done: 0, of: 1 })
  const summary = await resumeRun(unfinished, context, signal)
  context.onEvent({ type: 'run-ended', ...summary })
  return summary
}

async function takeTurn(
  study: string,
  { leases, onEvent }: StudyContext,
  signal: AbortSignal,
): Promise<Disposable> {
  const turn = `study ${study}`
  if (leases.holderOf(turn))
    onEvent({ type: 'waiting', study, for: `the block of ${study} that runs now` })
  return await leases.acquire([turn], turn, signal)
}

function nothingToRun(study: string, skipped: readonly SkippedCase[]): string {
  const reasons = skipped.map(({ case: name, reason }) => `\n  ${name}: ${reason}`).join('')
  return `study ${study}: none of its cases can run on this host:${reasons}`
}

function nothingMatches(
  study: string,
  only: string | undefined,
  cases: readonly CasePlan[],
): string {
  return `study ${study}: no case matches ${only}; it has ${cases.map(({ name }) => name).join(', ')}`
}

function whyNone({ name, only }: StudyTask, row: StudyRow, { journal }: StudyContext): string {
  const ended = blocksEnded(journal, row.id)
  return only === undefined
    ? `study ${name} has the ${ended === 1 ? '1 block' : `${ended} blocks`} that it asks for; --once runs one more`
    : `study ${name}: what matches ${only} has run in this block`
}
