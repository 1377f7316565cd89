import { geometricMean } from 'simple-statistics'
import { bootstrapInterval, type Interval, medianRatio } from '../statistics/bootstrap.ts'
import type { CaseClass } from './classes.ts'
import type { BlockValues } from './compare.ts'
import type { Measure } from './measures.ts'
import type { CaseFacts } from './record.ts'

/** What one value of a factor does against another, over all cases that differ in nothing else. */
export interface Effect {
  factor: string
  value: string
  reference: string
  /** How many pairs of cases. */
  pairs: number
  /** Blocks in which all of them were measured. */
  blocks: number
  /** The geometric mean of the pairs' ratios of medians. */
  ratio: number
  interval?: Interval
}

/** The effects of a class's factors; of one with a single pair of cases the comparison itself says all. */
export function effectsOf(
  { cases, reference }: CaseClass,
  values: BlockValues,
  measure: Pick<Measure, 'unit'>,
  seed: number,
): Effect[] {
  const base = cases.find(({ name }) => name === reference)!
  return Object.keys(base.factors).flatMap((factor) => {
    const others = [...new Set(cases.map(({ factors }) => factors[factor]!))]
    return others.flatMap((value) => {
      const from = base.factors[factor]!
      const pairs = value === from ? [] : pairsOf(cases, factor, value, from)
      const effect = pairs.length < 2 ? undefined : effectOf(pairs, values, measure, seed)
      return effect ? [{ factor, value, reference: from, pairs: pairs.length, ...effect }] : []
    })
  })
}

type Names = readonly [name: string, reference: string]

function pairsOf(
  cases: readonly CaseFacts[],
  factor: string,
  value: string,
  reference: string,
): Names[] {
  return cases.flatMap((each) => {
    if (each.factors[factor] !== value) return []
    const twin = cases.find(({ factors }) => isTwin(factors, each.factors, factor, reference))
    return twin ? [[each.name, twin.name] as const] : []
  })
}

function isTwin(
  factors: CaseFacts['factors'],
  of: CaseFacts['factors'],
  factor: string,
  value: string,
): boolean {
  const keys = new Set([...Object.keys(factors), ...Object.keys(of)])
  return [...keys].every((key) => factors[key] === (key === factor ? value : of[key]))
}

function effectOf(
  pairs: readonly Names[],
  values: BlockValues,
  { unit }: Pick<Measure, 'unit'>,
  seed: number,
): Pick<Effect, 'blocks' | 'ratio' | 'interval'> | undefined {
  const whole = [...values.values()].filter((block) =>
    pairs.every((names) => names.every((name) => block.get(name))),
  )
  if (whole.length === 0) return undefined
  const ratioOf = (blocks: readonly ReadonlyMap<string, number>[]) =>
    geometricMean(
      pairs.map(([name, reference]) => {
        const ratio = medianRatio(
          blocks.map((block) => ({ value: block.get(name)!, reference: block.get(reference)! })),
        )
        return unit === 's' ? 1 / ratio : ratio
      }),
    )
  const interval = bootstrapInterval(whole, ratioOf, { seed })
  return { blocks: whole.length, ratio: ratioOf(whole), interval }
}
