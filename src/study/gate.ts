import { setTimeout as sleep } from 'node:timers/promises'
import { isPaused } from '../journal/pauses.ts'
import { floorProblem } from '../storage/free-space.ts'
import type { StudyContext } from './context.ts'
import type { CasePlan } from './plan.ts'
import { spaceNeeded } from './space.ts'

const POLL_MS = 1_000

/** Why a study waits. */
export type PauseCause = 'request' | 'space'

/** Waits before a run until the study is not paused and the run leaves enough space; returns early when the signal comes. */
export async function passGate(
  study: string,
  point: CasePlan,
  context: StudyContext,
  signal: AbortSignal,
): Promise<void> {
  let told: string | undefined
  while (!signal.aborted) {
    const hold = await whyNot(study, point, context)
    if (!hold) break
    if (told !== hold.cause) context.onEvent({ type: 'paused', study, ...hold })
    told = hold.cause
    await sleep(POLL_MS, undefined, { signal }).catch(() => {})
  }
  if (told !== undefined) context.onEvent({ type: 'resumed', study })
}

async function whyNot(
  study: string,
  point: CasePlan,
  { journal, tier, stateDir, freeSpaceFloor }: StudyContext,
): Promise<{ cause: PauseCause; reason: string } | undefined> {
  if (isPaused(journal, study)) {
    return { cause: 'request', reason: `until "kvmio resume ${study}"` }
  }
  const needs = [...spaceNeeded([point])].flatMap(([name, bytes]) => {
    const open = tier(name)
    return open ? [{ tier: open, bytes }] : []
  })
  const reason = await floorProblem(needs, stateDir, freeSpaceFloor())
  return reason === undefined ? undefined : { cause: 'space', reason }
}
