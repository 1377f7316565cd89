import { median, quantile } from 'simple-statistics'
import { mulberry32 } from '../../lib/random.ts'

// Quantiles are of type 7 (Hyndman and Fan 1996), as R and NumPy have them by default: linear between the ordered values.

/** An estimate, and between what it lies. */
export interface Interval {
  low: number
  high: number
}

/** How an interval is made. */
export interface BootstrapOptions {
  seed: number
  /** How sure, 0 to 1. */
  level?: number
  resamples?: number
}

/**
 * The fewest blocks that give an interval: of five values not even their whole range covers the median in 95 of 100
 * cases (1 − 2 · 0.5⁵ = 93.75 %), of six it does (96.9 %).
 */
export const FEWEST_BLOCKS = 6

const LEVEL = 0.95
const RESAMPLES = 10_000

/**
 * A percentile bootstrap interval (Efron and Tibshirani 1993, chapter 13): blocks are drawn with replacement as often as
 * there are, `statistic` is taken of each draw, and the interval lies between the quantiles that leave out half of
 * 1 − level at either end. Undefined below FEWEST_BLOCKS. The same seed gives the same interval.
 */
export function bootstrapInterval<Block>(
  blocks: readonly Block[],
  statistic: (drawn: readonly Block[]) => number,
  { seed, level = LEVEL, resamples = RESAMPLES }: BootstrapOptions,
): Interval | undefined {
  if (blocks.length < FEWEST_BLOCKS) return undefined
  const random = mulberry32(seed)
  const drawn = Array.from({ length: resamples }, () =>
    statistic(blocks.map(() => blocks[Math.floor(random() * blocks.length)]!)),
  )
  return between(drawn, level)
}

function between(drawn: number[], level: number): Interval {
  const outside = (1 - level) / 2
  const [low, high] = quantile(drawn, [outside, 1 - outside]) as [number, number]
  return { low, high }
}

/** A median with its interval, in the unit of the values; one value a block. */
export function medianInterval(
  values: readonly number[],
  options: BootstrapOptions,
): Interval | undefined {
  return bootstrapInterval(values, (drawn) => median([...drawn]), options)
}

/** What two cases measured in the same block. */
export interface PairedValues {
  value: number
  reference: number
}

/** The median of the values as a multiple of the reference's median. */
export function medianRatio(pairs: readonly PairedValues[]): number {
  return median(pairs.map(({ value }) => value)) / median(pairs.map(({ reference }) => reference))
}

/** Its interval: both values of a block are drawn together, so that what a block slowed down as a whole cancels. */
export function medianRatioInterval(
  pairs: readonly PairedValues[],
  options: BootstrapOptions,
): Interval | undefined {
  return bootstrapInterval(pairs, medianRatio, options)
}

/** The same of two studies, whose blocks have nothing in common: each is drawn from by itself. */
export function independentRatioInterval(
  values: readonly number[],
  references: readonly number[],
  { seed, level = LEVEL, resamples = RESAMPLES }: BootstrapOptions,
): Interval | undefined {
  if (Math.min(values.length, references.length) < FEWEST_BLOCKS) return undefined
  const random = mulberry32(seed)
  const medianOfDraw = (of: readonly number[]) =>
    median(of.map(() => of[Math.floor(random() * of.length)]!))
  const drawn = Array.from(
    { length: resamples },
    () => medianOfDraw(values) / medianOfDraw(references),
  )
  return between(drawn, level)
}

/** Half the width of an interval as a share of the estimate: what repetition is to make small. */
export function relativeHalfWidth({ low, high }: Interval, estimate: number): number {
  return (high - low) / 2 / Math.abs(estimate)
}
