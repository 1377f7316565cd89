/** What is still to be run, and how long such runs took. */
export interface Ahead {
  /** The cases that are due in the present block, by name. */
  due: readonly string[]
  /** The cases of a whole block, by name, each as often as it runs in it. */
  block: readonly string[]
  /** How many blocks come after the present one. */
  blocks: number
  /** How long runs took from their start to their end, seconds. */
  past: readonly { case: string; seconds: number }[]
  /** Between two runs, seconds. */
  pause: number
}

/** Seconds until all of it has run; undefined while no run has ended. A case that has not run yet takes as long as the others. */
export function secondsLeft({ due, block, blocks, past, pause }: Ahead): number | undefined {
  const overall = mean(past.map(({ seconds }) => seconds))
  if (overall === undefined) return undefined
  const byCase = new Map(
    [...Map.groupBy(past, (run) => run.case)].map(([name, runs]) => [
      name,
      mean(runs.map(({ seconds }) => seconds)) ?? overall,
    ]),
  )
  const take = (names: readonly string[]) =>
    names.reduce((sum, name) => sum + (byCase.get(name) ?? overall) + pause, 0)
  const all = take(due) + blocks * take(block)
  return Math.max(0, all - pause)
}

function mean(values: readonly number[]): number | undefined {
  return values.length === 0
    ? undefined
    : values.reduce((sum, value) => sum + value, 0) / values.length
}
