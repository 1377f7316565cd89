import { FEWEST_BLOCKS } from '../statistics/bootstrap.ts'
import { type CaseClass, className } from './classes.ts'
import { ALPHA, type Comparison, SAME_WITHIN } from './compare.ts'
import { count, formatInterval, formatMeasured, formatRatio, greaterFirst } from './format.ts'
import type { Measure } from './measures.ts'

/** The rules by which sentences are made, as the report prints them. */
export const RULES: readonly string[] = [
  'A case is held against the reference case of its class, over the blocks in which both passed. Cases of different durability or accelerator are never held against one another.',
  'The ratio is one of medians. Its interval is the central 95 % of 10,000 bootstrap resamples of whole blocks. Fewer than six blocks give none.',
  `A difference is concluded when the interval leaves 1 out and Mann and Whitney’s test gives p below ${ALPHA} after Holm’s correction over all comparisons of the measure in the class. Both are needed.`,
  `Two cases are called the same when the whole interval lies between ${1 - SAME_WITHIN} and ${(1 / (1 - SAME_WITHIN)).toFixed(3)}. Otherwise nothing is concluded.`,
  'Outliers are marked (modified z-score above 3.5) and stay in every median. Void and failed runs are left out, and counted.',
]

export interface Conclusion {
  kind: 'differs' | 'same'
  measure: string
  /** `virtio-blk over ide: 2.10 times as fast [1.90, 2.30]` */
  claim: string
  /** `10.2 s against 21.4 s; durable cells, KVM, 12 blocks` */
  basis: string
  comparison: Comparison
}

/** What could not be concluded, and why. */
export interface Inconclusive {
  subject: string
  why: string
}

type Class = Pick<CaseClass, 'durable' | 'accelerator'>

export function conclusionsOf(
  comparisons: readonly Comparison[],
  measure: Measure,
  of: Class,
): Conclusion[] {
  return comparisons.flatMap((comparison) => {
    const { verdict } = comparison
    if (verdict !== 'differs' && verdict !== 'same') return []
    const words = wordsOf(comparison, measure, of)
    return [{ kind: verdict, measure: measure.name, ...words, comparison }]
  })
}

function wordsOf(comparison: Comparison, measure: Measure, of: Class) {
  const isSame = comparison.verdict === 'same'
  const shown = isSame ? comparison : greaterFirst(comparison)
  const { ratio, interval, medians } = shown
  const times = `${formatRatio(ratio!)} times ${measure.comparative} ${formatInterval(interval!, formatRatio)}`
  const figures = `${formatMeasured(medians!.case, measure)} against ${formatMeasured(medians!.reference, measure)}`
  return {
    claim: isSame
      ? `${shown.case} and ${shown.reference}: the same within ${SAME_WITHIN * 100} %: ${times}`
      : `${shown.case} over ${shown.reference}: ${times}`,
    basis: `${figures}; ${className(of)}, ${count(comparison.blocks, 'block')}`,
  }
}

/** What a conclusion says in one line. */
export function sentenceOf({ claim, basis }: Pick<Conclusion, 'claim' | 'basis'>): string {
  return `${claim}; ${basis}`
}

export function inconclusiveOf(
  comparisons: readonly Comparison[],
  measure: Measure,
  of: Class,
): Inconclusive[] {
  return comparisons.flatMap((comparison) => {
    const why = whyNot(comparison)
    if (why === undefined) return []
    const subject = `${measure.title}: ${comparison.case} against ${comparison.reference}, ${className(of)}`
    return [{ subject, why }]
  })
}

function whyNot({ verdict, blocks, ratio, interval, adjustedP }: Comparison): string | undefined {
  if (verdict === 'none')
    return blocks === 0
      ? 'there is no block in which both were measured'
      : 'the median of one of them is 0, so that there is no ratio'
  if (verdict === 'few')
    return `${count(blocks, 'block')} of the ${FEWEST_BLOCKS} that an interval needs; the ratio of the medians is ${formatRatio(ratio!)}`
  if (verdict !== 'open') return undefined
  const { low, high } = interval!
  const range = `${formatRatio(ratio!)} ${formatInterval(interval!, formatRatio)}`
  if (low <= 1 && high >= 1) return `they overlap: the ratio is ${range}, which holds 1`
  return `the ratio is ${range}, but p is ${formatP(adjustedP)} after Holm’s correction`
}

export function formatP(p: number | undefined): string {
  if (p === undefined) return ''
  return p < 0.001 ? 'below 0.001' : p.toFixed(3)
}
