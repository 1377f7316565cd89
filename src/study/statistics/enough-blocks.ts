import { median } from 'simple-statistics'
import { medianInterval, relativeHalfWidth } from './bootstrap.ts'

/** How often each case runs. */
export interface Repetition {
  min: number
  max: number
  /** Half the width of the interval of a median, as a share of it; a fixed number of blocks without. */
  width?: number
}

/**
 * Whether a study has as many blocks as its rule asks for: `min`, and from then on until the interval of every case's
 * median is narrow enough, `max` at the most. `values` has one value a block for each case; a case without any, which
 * never passed, is not waited for, and one with fewer than an interval takes is.
 */
export function enoughBlocks(
  { min, max, width }: Repetition,
  blocks: number,
  values: ReadonlyMap<string, readonly number[]>,
  seed: number,
): boolean {
  if (blocks >= max) return true
  if (blocks < min) return false
  if (width === undefined) return true
  return [...values.values()].every((of) => of.length === 0 || isNarrow(of, width, seed))
}

function isNarrow(values: readonly number[], width: number, seed: number): boolean {
  const interval = medianInterval(values, { seed })
  if (!interval) return false
  if (interval.low === interval.high) return true // a median of 0 has no relative width
  return relativeHalfWidth(interval, median([...values])) <= width
}

/** One value a block: the median where a case ran several times in it, as the reference does. */
export function valuesByCase(
  runs: readonly { case: string; block: number; value: number }[],
): Map<string, number[]> {
  const byCase = Map.groupBy(runs, (run) => run.case)
  return new Map(
    [...byCase].map(([name, runs]) => [
      name,
      [...Map.groupBy(runs, ({ block }) => block).values()].map((same) =>
        median(same.map(({ value }) => value)),
      ),
    ]),
  )
}
