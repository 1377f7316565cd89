import type { ExpectedTime } from './expected-time.ts'

/** What is still to be run, and how long it takes. */
export interface Ahead {
  /** The cases that are due in the present block, by name. */
  due: readonly string[]
  /** The cases of a whole block, by name, each as often as it runs in it. */
  block: readonly string[]
  /** How many blocks come after the present one. */
  blocks: number
  /** How long a run takes, by case. */
  times: ReadonlyMap<string, ExpectedTime>
  /** Between two runs, seconds. */
  pause: number
}

/** Seconds until all of it has run. */
export function secondsLeft({ due, block, blocks, times, pause }: Ahead): number {
  const take = (names: readonly string[]) =>
    names.reduce((sum, name) => sum + (times.get(name)?.seconds ?? 0) + pause, 0)
  return Math.max(0, take(due) + blocks * take(block) - pause)
}
