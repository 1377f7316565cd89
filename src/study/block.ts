import { setTimeout as sleep } from 'node:timers/promises'
import { blockRuns, endBlock, openBlock, type StudyRow, voidBlock } from '../journal/studies.ts'
import { runCase } from './case-run.ts'
import type { StudyContext } from './context.ts'
import { driftProblem } from './drift.ts'
import { dueOf } from './due.ts'
import type { RunSummary } from './event.ts'
import { passGate } from './gate.ts'
import { measured } from './measured.ts'
import { quietSeconds, sharedDevices } from './neighbours.ts'
import { blockOrder, type CasePlan, tiersOf } from './plan.ts'
import type { StudyTask } from './runner.ts'

export interface BlockSummary {
  runs: RunSummary[]
  /** Whether all of it has run, or all of it for nothing. */
  end: 'whole' | 'void' | 'partial'
}

/** Called when a run has ended: what of the block's order is still due. */
export type OnDue = (due: readonly CasePlan[], order: readonly CasePlan[]) => void

/** What of a block is to run now. */
export interface BlockPick {
  /** All that the block has. */
  cases: readonly CasePlan[]
  /** Those that are to run now, by name. */
  wanted: ReadonlySet<string>
  /** Whether no run has gone before, after which there would be a rest. */
  isFirst: boolean
}

/** Runs what is due of a study's open block, or of the next one. */
export async function runBlock(
  { name, study, failFast = false }: StudyTask,
  row: StudyRow,
  { cases, wanted, isFirst }: BlockPick,
  context: StudyContext,
  signal: AbortSignal,
  onDue: OnDue,
): Promise<BlockSummary> {
  const { journal } = context
  const block = openBlock(journal, row.id)
  const order = blockOrder(cases, study.reference?.case, row.seed, block.number)
  const due = () => dueOf(order, blockRuns(journal, block.id), study.tries)
  const runs: RunSummary[] = []
  onDue(due(), order)
  for (const point of due()) {
    if (!wanted.has(point.name)) continue
    // One that is void is run again at once, while the host is as it was.
    for (let again = true; again; ) {
      if (runs.length > 0 || !isFirst) await rest(restBefore(point, context), signal)
      await passGate(name, point, context, signal)
      if (signal.aborted) return { runs, end: 'partial' }
      const before = due()
      const progress = { done: order.length - before.length, of: order.length }
      const summary = await runCase(name, point, block, progress, context, signal)
      if (!summary) return { runs, end: 'partial' }
      runs.push(summary)
      const after = due()
      onDue(after, order)
      if (failFast && summary.outcome === 'failed') return { runs, end: 'partial' }
      again = summary.outcome === 'void' && after.length === before.length
    }
  }
  if (signal.aborted || due().length > 0) return { runs, end: 'partial' }
  const problem = journal.transaction(() => {
    endBlock(journal, block.id)
    const drift = driftOf(study, block.id, context)
    if (drift !== undefined) voidBlock(journal, block.id, drift)
    return drift
  })
  context.onEvent({ type: 'block-ended', study: name, block: block.number, void: problem })
  return { runs, end: problem === undefined ? 'whole' : 'void' }
}

function driftOf(
  study: StudyTask['study'],
  blockId: number,
  { journal }: StudyContext,
): string | undefined {
  const { reference } = study
  if (!reference) return undefined
  const runs = measured(journal, { block: blockId }, study)
  const values = runs.flatMap(({ case: name, value }) => (name === reference.case ? value : []))
  return driftProblem(reference.case, values, reference.drift)
}

/** The rest before a run, less what its devices are watched for within it. */
function restBefore({ guest, study }: CasePlan, { tier }: StudyContext): number {
  const isWatched = sharedDevices(tiersOf(guest), tier).length > 0
  return Math.max(0, study.pause - (isWatched ? quietSeconds(study) : 0))
}

async function rest(seconds: number, signal: AbortSignal): Promise<void> {
  await sleep(seconds * 1000, undefined, { signal }).catch(() => {})
}
