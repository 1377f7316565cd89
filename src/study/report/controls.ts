import { mulberry32 } from '../../lib/random.ts'
import { type Interval, medianRatioInterval } from '../statistics/bootstrap.ts'
import {
  ALPHA,
  asRates,
  type BlockValues,
  type Comparison,
  isDifference,
  type Pair,
  pairedValues,
  rankTests,
} from './compare.ts'
import type { Measure } from './measures.ts'

// Whether the rule by which a report concludes can be believed: it finds little where there is nothing, and what is there.

/** How often the rule finds a difference between cases that are the same. */
export interface FalsePositives {
  permutations: number
  /** In how many of them any difference was found. */
  found: number
  share: number
  /** The stated rate and two standard errors of a share of that many. */
  limit: number
  holds: boolean
}

/**
 * Gives the values of an A/A study, whose cases are the same under several names, other names at random within each block,
 * and asks the rule each time whether any case differs from the reference.
 */
export function falsePositives(
  values: BlockValues,
  [reference, ...others]: readonly string[],
  measure: Pick<Measure, 'unit'>,
  { permutations = 1000, seed }: { permutations?: number; seed: number },
): FalsePositives {
  if (reference === undefined || others.length === 0)
    throw new RangeError(`falsePositives: expected two cases or more, got ${reference ?? 'none'}`)
  const random = mulberry32(seed)
  const family = others.map((name) => [name, reference] as const)
  let found = 0
  for (let count = 0; count < permutations; count++) {
    const permuted = permuteNames(values, [reference, ...others], random)
    if (findsAny(family, permuted, measure, seed)) found++
  }
  const share = found / permutations
  const limit = ALPHA + 2 * Math.sqrt((ALPHA * (1 - ALPHA)) / permutations)
  return { permutations, found, share, limit, holds: share <= limit }
}

function findsAny(
  family: readonly Pair[],
  values: BlockValues,
  measure: Pick<Measure, 'unit'>,
  seed: number,
): boolean {
  const pairs = family.map(([name, other]) => pairedValues(values, name, other))
  return rankTests(pairs).some(({ adjustedP }, index) =>
    isDifference(adjustedP, () => medianRatioInterval(asRates(pairs[index]!, measure), { seed })),
  )
}

/** Of blocks that have all of the names; the others say nothing of a pair. */
function permuteNames(
  values: BlockValues,
  names: readonly string[],
  random: () => number,
): BlockValues {
  const whole = [...values].filter(([, block]) => names.every((name) => block.has(name)))
  return new Map(
    whole.map(([number, block]) => {
      const shuffled = shuffle(names, random)
      return [number, new Map(names.map((name, index) => [name, block.get(shuffled[index]!)!]))]
    }),
  )
}

function shuffle(names: readonly string[], random: () => number): string[] {
  const order = [...names]
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1))
    const name = order[last]!
    order[last] = order[other]!
    order[other] = name
  }
  return order
}

/** Whether a difference that was put there is found, and is as great as it is. */
export interface PositiveControl {
  expected: number
  ratio?: number
  interval?: Interval
  found: boolean
  holds: boolean
}

export function positiveControl(
  { verdict, ratio, interval }: Comparison,
  expected: number,
): PositiveControl {
  const found = verdict === 'differs'
  const isRight = interval !== undefined && interval.low <= expected && expected <= interval.high
  return { expected, ratio, interval, found, holds: found && isRight }
}
