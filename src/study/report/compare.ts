import { median } from 'simple-statistics'
import {
  FEWEST_BLOCKS,
  type Interval,
  medianRatio,
  medianRatioInterval,
  type PairedValues,
} from '../statistics/bootstrap.ts'
import { cliffsDelta } from '../statistics/effect.ts'
import { holm, mannWhitney } from '../statistics/rank-test.ts'
import type { Measure } from './measures.ts'
import type { RunResult } from './record.ts'

/** The chance of a false finding that is accepted, over all comparisons of one measure together. */
export const ALPHA = 0.05

/** Two cases are called the same when the whole interval of their ratio lies within this of 1. */
export const SAME_WITHIN = 0.05

export type Verdict =
  /** The interval leaves 1 out, and the rank test agrees. */
  | 'differs'
  /** The interval lies within SAME_WITHIN of 1. */
  | 'same'
  /** Neither: the samples overlap. */
  | 'open'
  /** Fewer blocks than an interval needs. */
  | 'few'
  /** No block in which both were measured, or nothing but zeros. */
  | 'none'

/** One case held against another in one measure. */
export interface Comparison {
  case: string
  reference: string
  /** Blocks in which both passed. */
  blocks: number
  medians?: { case: number; reference: number }
  /** How many times the first case's rate is the second's; for a time, how many times as fast. */
  ratio?: number
  interval?: Interval
  /** Two-sided, of Mann and Whitney's test, before and after Holm's correction. */
  p?: number
  adjustedP?: number
  /** Of the measure's own values, whichever direction is better. */
  cliffsDelta?: number
  verdict: Verdict
}

/** Values of a measure by block and case; void and failed runs have none. */
export type BlockValues = ReadonlyMap<number, ReadonlyMap<string, number>>

/** One value a block and case: the median where a case ran several times in a block, as a reference case does. */
export function blockValues(runs: readonly RunResult[], measure: Measure): BlockValues {
  const blocks = new Map<number, Map<string, number[]>>()
  for (const run of runs) {
    const value = run.outcome === 'passed' ? measure.of(run) : undefined
    if (value === undefined) continue
    const block = blocks.get(run.block) ?? new Map<string, number[]>()
    blocks.set(run.block, block.set(run.case, [...(block.get(run.case) ?? []), value]))
  }
  return new Map(
    [...blocks].map(([number, block]) => [
      number,
      new Map([...block].map(([name, values]) => [name, median(values)])),
    ]),
  )
}

/** A case's values, one a block. */
export function valuesOf(values: BlockValues, name: string): number[] {
  return [...values.values()].flatMap((block) => block.get(name) ?? [])
}

/** A case and what it is held against. */
export type Pair = readonly [name: string, reference: string]

/**
 * Holds cases against one another, each pair over the blocks that have both. The corrected p values are of this family
 * of comparisons, and so is the rule: an interval that leaves 1 out and a corrected p below ALPHA, both.
 */
export function compareAll(
  family: readonly Pair[],
  values: BlockValues,
  measure: Pick<Measure, 'unit'>,
  seed: number,
): Comparison[] {
  const pairs = family.map(([name, reference]) => pairedValues(values, name, reference))
  const tests = rankTests(pairs)
  return family.map(([name, reference], index) => {
    const facts = { case: name, reference, blocks: pairs[index]!.length }
    return { ...facts, ...compare(pairs[index]!, measure, { ...tests[index]!, seed }) }
  })
}

function compare(
  pairs: readonly PairedValues[],
  { unit }: Pick<Measure, 'unit'>,
  { p, adjustedP, seed }: { p?: number; adjustedP?: number; seed: number },
): Omit<Comparison, 'case' | 'reference' | 'blocks'> {
  if (pairs.length === 0) return { verdict: 'none' }
  const own = pairs.map(({ value }) => value)
  const others = pairs.map(({ reference }) => reference)
  const medians = { case: median(own), reference: median(others) }
  if (medians.case === 0 || medians.reference === 0) return { medians, verdict: 'none' }
  const rates = asRates(pairs, { unit })
  const ratio = medianRatio(rates)
  const interval = medianRatioInterval(rates, { seed })
  const delta = cliffsDelta(own, others)
  return {
    medians,
    ratio,
    interval,
    p,
    adjustedP,
    cliffsDelta: delta,
    verdict: verdictOf(pairs.length, interval, adjustedP),
  }
}

function verdictOf(blocks: number, interval?: Interval, adjustedP?: number): Verdict {
  if (blocks < FEWEST_BLOCKS || !interval) return 'few'
  if (isDifference(adjustedP, () => interval)) return 'differs'
  return isWithin(interval, SAME_WITHIN) ? 'same' : 'open'
}

/** The rule by which a difference is concluded. The interval, which is dear, is made when it decides. */
export function isDifference(
  adjustedP: number | undefined,
  interval: () => Interval | undefined,
): boolean {
  if (adjustedP === undefined || adjustedP >= ALPHA) return false
  const of = interval()
  return of !== undefined && (of.low > 1 || of.high < 1)
}

/** Whether all of an interval is as near to 1 as that, counted the same way upwards and downwards. */
export function isWithin({ low, high }: Interval, margin: number): boolean {
  return low >= 1 - margin && high <= 1 / (1 - margin)
}

/** What a ratio is taken of: twice as long is half as fast. */
export function asRates(
  pairs: readonly PairedValues[],
  { unit }: Pick<Measure, 'unit'>,
): readonly PairedValues[] {
  if (unit !== 's') return pairs
  return pairs.map(({ value, reference }) => ({ value: reference, reference: value }))
}

export function pairedValues(values: BlockValues, name: string, reference: string): PairedValues[] {
  return [...values.values()].flatMap((block) => {
    const [value, other] = [block.get(name), block.get(reference)]
    return value === undefined || other === undefined ? [] : [{ value, reference: other }]
  })
}

/** Of samples with fewer blocks than give a verdict there is none, so that they do not make the others' correction harsher. */
export function rankTests(
  family: readonly (readonly PairedValues[])[],
): { p?: number; adjustedP?: number }[] {
  const ps = family.map((pairs) => (pairs.length < FEWEST_BLOCKS ? undefined : rankTest(pairs)))
  const adjusted = holm(ps.flatMap((p) => p ?? []))
  return ps.map((p) => (p === undefined ? {} : { p, adjustedP: adjusted.shift() }))
}

function rankTest(pairs: readonly PairedValues[]): number {
  return mannWhitney(
    pairs.map(({ value }) => value),
    pairs.map(({ reference }) => reference),
  ).p
}
