import { median } from 'simple-statistics'
import { FEWEST_BLOCKS } from '../statistics/bootstrap.ts'
import { type CaseClass, className } from './classes.ts'
import { type BlockValues, type Comparison, compareAll, valuesOf } from './compare.ts'
import { count, formatMeasured, list } from './format.ts'
import type { Measure } from './measures.ts'

/** The best case on a tier among those that may be ranked, and which others it could not be told from. */
export interface Recommendation {
  /** Several, where each has one case alone. */
  tier: string
  class: string
  measure: string
  sentence: string
  /** Absent where nothing can be recommended. */
  best?: string
  /** No difference from the best could be concluded. */
  tied: string[]
}

/**
 * One for each tier of a class. The best is that with the best median; all others of the tier are held against it, as one
 * family.
 */
export function recommendationsOf(
  of: CaseClass,
  values: BlockValues,
  measure: Measure,
  seed: number,
): Recommendation[] {
  const tiers = [...Map.groupBy(of.cases, ({ tier }) => tier)]
  // Where each case has a tier of its own the tier is what is to be chosen.
  const groups =
    tiers.length > 1 && tiers.length === of.cases.length
      ? [[tiers.map(([tier]) => tier).join(', '), of.cases] as const]
      : tiers
  return groups.map(([tier, cases]) => {
    const names = cases.map(({ name }) => name)
    const facts = { tier, class: className(of), measure: measure.name }
    return { ...facts, ...recommend(names, values, measure, seed) }
  })
}

function recommend(
  names: readonly string[],
  values: BlockValues,
  measure: Measure,
  seed: number,
): Pick<Recommendation, 'sentence' | 'best' | 'tied'> {
  const medians = new Map(
    names.flatMap((name) => {
      const own = valuesOf(values, name)
      return own.length < FEWEST_BLOCKS ? [] : [[name, median(own)] as const]
    }),
  )
  const [best, ...others] = [...medians.keys()].sort((a, b) =>
    measure.better === 'less'
      ? medians.get(a)! - medians.get(b)!
      : medians.get(b)! - medians.get(a)!,
  )
  if (best === undefined) {
    return { sentence: `None: no case has ${FEWEST_BLOCKS} blocks.`, tied: [] }
  }
  if (names.length === 1) return { sentence: `None: ${best} is the only case.`, tied: [] }
  const family = others.map((name) => [best, name] as const)
  const comparisons = compareAll(family, values, measure, seed)
  const tied = comparisons.filter(({ verdict }) => verdict !== 'differs').map(otherOf)
  const beaten = comparisons.filter(({ verdict }) => verdict === 'differs').map(otherOf)
  const unmeasured = names.filter((name) => !medians.has(name))
  const parts = [
    beaten.length === 0
      ? `Nothing stands out: ${best} has the best median (${formatMeasured(medians.get(best)!, measure)}).`
      : `${best} (${formatMeasured(medians.get(best)!, measure)}), better than ${some(beaten)}.`,
    tied.length > 0 && `It cannot be told from ${some(tied)}: choose among these by other merits.`,
    unmeasured.length > 0 && `Not judged, for want of blocks: ${some(unmeasured)}.`,
  ]
  return { best, tied, sentence: parts.filter(Boolean).join(' ') }
}

function otherOf({ reference }: Comparison): string {
  return reference
}

function some(names: readonly string[]): string {
  return names.length > 6
    ? `${list(names.slice(0, 5))} and ${count(names.length - 5, 'other')}`
    : list(names)
}
