import type { Outcome } from '../journal/runs.ts'

/** A run of a block that has ended. */
export interface EndedRun {
  caseName: string
  outcome: Outcome
}

/**
 * What of a block's order is still to be run, given the runs that have ended, in their order. A case is done each time
 * that it passed or failed, or was void `tries` times in a row; an abandoned run is as if it had never been.
 */
export function dueOf<Case extends { name: string }>(
  order: readonly Case[],
  ended: readonly EndedRun[],
  tries: number,
): Case[] {
  const done = new Map<string, number>()
  const voids = new Map<string, number>()
  for (const { caseName, outcome } of ended) {
    if (outcome === 'abandoned') continue
    const inRow = outcome === 'void' ? (voids.get(caseName) ?? 0) + 1 : 0
    const isOver = outcome !== 'void' || inRow >= tries
    voids.set(caseName, isOver ? 0 : inRow)
    if (isOver) done.set(caseName, (done.get(caseName) ?? 0) + 1)
  }
  return order.filter(({ name }) => {
    const left = done.get(name) ?? 0
    done.set(name, left - 1)
    return left <= 0
  })
}
