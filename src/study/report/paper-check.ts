import { median } from 'simple-statistics'
import { FEWEST_BLOCKS, medianInterval } from '../statistics/bootstrap.ts'
import type { CaseClass } from './classes.ts'
import {
  type BlockValues,
  blockValues,
  type Comparison,
  compareAll,
  isWithin,
  valuesOf,
} from './compare.ts'
import { count, formatFigure, formatInterval, formatMeasured, formatRatio } from './format.ts'
import { type Measure, type MeasureName, measure } from './measures.ts'
import type { Claim, FigureClaim, PaperPart, Selector } from './paper.ts'
import type { CaseFacts, StudyResults, Traits } from './record.ts'

/** The paper says "almost no difference": this much is granted to it. */
export const ALMOST = 0.1

export type Agreement = 'agrees' | 'disagrees' | 'open' | 'not measured'

/** A claim of the paper held against this study. */
export interface ClaimCheck {
  found: string
  agreement: Agreement
  /** What this host shows, one line for each pair of cases that the claim speaks of. */
  shows: { agreement: Agreement; sentence: string; comparison?: Comparison }[]
}

export interface PaperCheck extends Pick<PaperPart, 'figure' | 'title' | 'setting'> {
  claims: ClaimCheck[]
}

/** All comparisons of a part that are made in one measure are one family. */
export function checkPaper(
  part: PaperPart,
  study: StudyResults,
  classes: readonly CaseClass[],
): PaperCheck {
  const { figure, title, setting, claims } = part
  const tables = new Map(
    [...new Set(claims.map((claim) => claim.measure))].map((name) => [
      name,
      comparisonsOf(
        claims.filter((claim) => claim.measure === name),
        name,
        study,
        classes,
      ),
    ]),
  )
  return {
    figure,
    title,
    setting,
    claims: claims.map((claim) => {
      const table = tables.get(claim.measure)!
      const shows =
        'figure' in claim
          ? figuresOf(claim, study, table.values)
          : pairsOf(claim, table.byClaim.get(claim) ?? [])
      return { found: claim.found, agreement: together(shows), shows }
    }),
  }
}

interface Table {
  values: BlockValues
  byClaim: Map<Claim, Comparison[]>
}

function comparisonsOf(
  claims: readonly Claim[],
  name: MeasureName,
  study: StudyResults,
  classes: readonly CaseClass[],
): Table {
  const values = blockValues(study.runs, measure(name))
  const family = claims.flatMap((claim) =>
    classes.flatMap(({ cases }) => casesOf(claim, cases).map((pair) => ({ claim, pair }))),
  )
  const all = compareAll(
    family.map(({ pair }) => pair),
    values,
    measure(name),
    study.seed,
  )
  const byClaim = Map.groupBy(all.keys(), (index) => family[index]!.claim)
  return {
    values,
    byClaim: new Map(
      [...byClaim].map(([claim, indexes]) => [claim, indexes.map((index) => all[index]!)]),
    ),
  }
}

/** The pairs that a claim speaks of: alike in all that it does not name. */
function casesOf(claim: Claim, cases: readonly CaseFacts[]): (readonly [string, string])[] {
  if ('figure' in claim) return []
  const named = [...Object.keys(claim.cases), ...Object.keys(claim.than), ...(claim.apart ?? [])]
  return cases.flatMap((a) =>
    cases.flatMap((b) => {
      if (a === b || !isOf(a.traits, claim.cases) || !isOf(b.traits, claim.than)) return []
      return isAlike(a.traits, b.traits, named) && !isSelf(claim, a, b)
        ? [[a.name, b.name] as const]
        : []
    }),
  )
}

/** A trait in which both selectors allow the same several values must be the same in both. */
function isSelf({ cases, ...claim }: Claim, a: CaseFacts, b: CaseFacts): boolean {
  const than = 'than' in claim ? claim.than : {}
  return Object.entries(cases).some(([key, allowed]) => {
    const name = key as keyof Traits
    const isShared = JSON.stringify(allowed) === JSON.stringify(than[name])
    return isShared && a.traits[name] !== b.traits[name]
  })
}

function isOf(traits: Traits, selector: Selector): boolean {
  return Object.entries(selector).every(([key, allowed]) =>
    (allowed as readonly unknown[]).includes(traits[key as keyof Traits]),
  )
}

function isAlike(a: Traits, b: Traits, except: readonly string[]): boolean {
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])] as (keyof Traits)[]
  return keys.every((key) => except.includes(key) || a[key] === b[key])
}

function pairsOf(claim: Claim, comparisons: readonly Comparison[]): ClaimCheck['shows'] {
  return comparisons.map((comparison) => {
    const agreement = agreementOf(claim, comparison)
    return { agreement, comparison, sentence: pairSentence(claim, comparison) }
  })
}

function agreementOf(claim: Claim, { verdict, ratio, interval }: Comparison): Agreement {
  if (verdict === 'none') return 'not measured'
  if (verdict === 'few' || !interval || ratio === undefined) return 'open'
  if (claim.kind === 'same') {
    if (isWithin(interval, ALMOST)) return 'agrees'
    const isApart = interval.low > 1 / (1 - ALMOST) || interval.high < 1 - ALMOST
    return verdict === 'differs' && isApart ? 'disagrees' : 'open'
  }
  if (verdict === 'differs') return ratio > 1 ? 'agrees' : 'disagrees'
  return verdict === 'same' ? 'disagrees' : 'open'
}

function pairSentence(claim: Claim, comparison: Comparison): string {
  const { ratio, interval, blocks } = comparison
  const of = `${comparison.case} over ${comparison.reference}`
  if (ratio === undefined) return `${of}: nothing to compare`
  const between = interval
    ? formatInterval(interval, formatRatio)
    : `(no interval below ${FEWEST_BLOCKS} blocks)`
  const times = `${formatRatio(ratio)} times ${measure(claim.measure).comparative} ${between}`
  const published =
    'ratio' in claim && claim.ratio !== undefined ? ratioNote(claim.ratio, comparison) : ''
  return `${of}: ${times}, ${count(blocks, 'block')}${published}`
}

/** The published ratio is one of other machines: whether it is still so is said, and decides nothing. */
function ratioNote(published: number, { interval }: Comparison): string {
  if (!interval) return `; published: ${formatFigure(published)}`
  const where =
    interval.high < published ? 'below' : interval.low > published ? 'above' : 'in line with'
  return `; ${where} the published ${formatFigure(published)}`
}

function figuresOf(
  claim: FigureClaim,
  study: StudyResults,
  values: BlockValues,
): ClaimCheck['shows'] {
  const of: Measure = measure(claim.measure)
  return study.cases
    .filter(({ traits }) => isOf(traits, claim.cases))
    .map(({ name }) => {
      const own = valuesOf(values, name)
      if (own.length === 0) return { agreement: 'not measured', sentence: `${name}: not measured` }
      const interval = medianInterval(own, { seed: study.seed })
      const limit = `${claim.kind} ${formatMeasured(claim.figure, of)}`
      const between = interval ? ` ${formatInterval(interval)}` : ''
      const sentence = `${name}: ${formatMeasured(median(own), of)}${between}, held against ${limit}`
      if (study.scale !== undefined)
        return { agreement: 'open', sentence: `${sentence}; not comparable at another scale` }
      if (!interval) return { agreement: 'open', sentence }
      const isBelow = interval.high <= claim.figure
      const isAbove = interval.low >= claim.figure
      if (!isBelow && !isAbove) return { agreement: 'open', sentence }
      const agrees = claim.kind === 'at most' ? isBelow : isAbove
      return { agreement: agrees ? 'agrees' : 'disagrees', sentence }
    })
}

/** A claim about several pairs holds when it holds for all of them. */
function together(shows: readonly { agreement: Agreement }[]): Agreement {
  const said = new Set(shows.map(({ agreement }) => agreement))
  said.delete('not measured')
  if (said.size === 0) return 'not measured'
  return said.size === 1 ? [...said][0]! : 'open'
}
