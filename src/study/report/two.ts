import { median } from 'simple-statistics'
import { type Interval, independentRatioInterval } from '../statistics/bootstrap.ts'
import { holm, mannWhitney } from '../statistics/rank-test.ts'
import type { Analysis, ClassAnalysis, MeasureAnalysis } from './analysis.ts'
import { ALPHA, blockValues, type Comparison, valuesOf } from './compare.ts'
import { type Measure, measure } from './measures.ts'
import type { CaseFacts, StudyResults } from './record.ts'

/** Two studies, or one on two hosts, beside each other. */
export interface Beside {
  measures: MeasureBeside[]
  /** Cases that only one of them has, or that are of another class there. */
  alone: string[]
  /** What the two were run on otherwise than each other: key, one, the other. */
  apart: [key: string, first: string, second: string][]
}

export interface MeasureBeside {
  name: string
  title: string
  cases: CaseBeside[]
  agreements: AgreementBeside[]
}

/** One case in both: how many times as good the first is. */
export interface CaseBeside {
  case: string
  class: string
  medians: [first: number | undefined, second: number | undefined]
  blocks: [first: number, second: number]
  ratio?: number
  interval?: Interval
  adjustedP?: number
  differs: boolean
}

/** One comparison within each: whether the two come to the same conclusion. */
export interface AgreementBeside {
  class: string
  first: Comparison
  second: Comparison
  agreement: 'agree' | 'disagree' | 'open'
}

interface Side {
  results: StudyResults
  analysis: Analysis
}

export function beside(first: Side, second: Side): Beside {
  const shared = first.results.cases.filter((each) => twinOf(each, second.results))
  const names = shared.map(({ name }) => name)
  const all = [...first.results.cases, ...second.results.cases].map(({ name }) => name)
  return {
    measures: first.analysis.measures.flatMap((of) => {
      const other = second.analysis.measures.find(({ name }) => name === of.name)
      return other ? [measureBeside(of, other, names, first, second)] : []
    }),
    alone: [...new Set(all)].filter((name) => !names.includes(name)),
    apart: differencesOf(first.results, second.results),
  }
}

/** The case of the same name, if it is of the same class. */
function twinOf(of: CaseFacts, { cases }: StudyResults): CaseFacts | undefined {
  return cases.find(
    ({ name, accelerator, notDurable }) =>
      name === of.name &&
      accelerator === of.accelerator &&
      (notDurable === undefined) === (of.notDurable === undefined),
  )
}

function measureBeside(
  one: MeasureAnalysis,
  other: MeasureAnalysis,
  names: readonly string[],
  first: Side,
  second: Side,
): MeasureBeside {
  const of = measure(one.name)
  const samples = names.map((name) => ({
    name,
    first: valuesOf(blockValues(first.results.runs, of), name),
    second: valuesOf(blockValues(second.results.runs, of), name),
  }))
  const ps = samples.map(({ first, second }) =>
    first.length > 0 && second.length > 0 ? mannWhitney(first, second).p : undefined,
  )
  const adjusted = holm(ps.flatMap((p) => p ?? []))
  const classes = (name: string) =>
    one.classes.find(({ cases }) => cases.some((each) => each.case === name))?.title ?? ''
  return {
    name: one.name,
    title: one.title,
    cases: samples.map(({ name, first: a, second: b }, index) => ({
      case: name,
      class: classes(name),
      blocks: [a.length, b.length],
      medians: [medianOf(a), medianOf(b)],
      ...ratioOf(a, b, of, {
        adjustedP: ps[index] === undefined ? undefined : adjusted.shift(),
        seed: first.results.seed,
      }),
    })),
    agreements: one.classes.flatMap((each) => {
      const twin = other.classes.find(({ title }) => title === each.title)
      return twin ? agreementsOf(each, twin) : []
    }),
  }
}

function ratioOf(
  first: readonly number[],
  second: readonly number[],
  { unit }: Measure,
  { adjustedP, seed }: { adjustedP?: number; seed: number },
): Pick<CaseBeside, 'ratio' | 'interval' | 'adjustedP' | 'differs'> {
  const [a, b] = [medianOf(first), medianOf(second)]
  if (!a || !b) return { differs: false }
  // Twice as long is half as fast.
  const [over, under] = unit === 's' ? [second, first] : [first, second]
  const interval = independentRatioInterval(over, under, { seed })
  const leavesOutOne = interval !== undefined && (interval.low > 1 || interval.high < 1)
  return {
    ratio: median([...over]) / median([...under]),
    interval,
    adjustedP,
    differs: leavesOutOne && (adjustedP ?? 1) < ALPHA,
  }
}

function medianOf(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : median([...values])
}

/** Comparisons that both made, of the same case with the same reference. */
function agreementsOf(one: ClassAnalysis, other: ClassAnalysis): AgreementBeside[] {
  if (one.reference !== other.reference) return []
  return one.comparisons.flatMap((first) => {
    const second = other.comparisons.find((held) => held.case === first.case)
    return second
      ? [{ class: one.title, first, second, agreement: agreementOf(first, second) }]
      : []
  })
}

function agreementOf(first: Comparison, second: Comparison): AgreementBeside['agreement'] {
  const verdicts = [first.verdict, second.verdict]
  if (!verdicts.every((verdict) => verdict === 'differs' || verdict === 'same')) return 'open'
  if (first.verdict === second.verdict) {
    const isOneWay = first.verdict === 'same' || first.ratio! > 1 === second.ratio! > 1
    return isOneWay ? 'agree' : 'disagree'
  }
  // One concluded a small difference and one none: that may be the same thing.
  const [a, b] = [first.interval!, second.interval!]
  return a.low <= b.high && b.low <= a.high ? 'open' : 'disagree'
}

const KEYS = ['host', 'kernel', 'qemu', 'processor', 'cpus', 'memoryBytes', 'kvmio'] as const

function differencesOf(first: StudyResults, second: StudyResults): Beside['apart'] {
  const [a, b] = [first, second].map(({ runs }) => runs[0]?.manifest ?? {})
  const rows = KEYS.map((key): Beside['apart'][number] => [
    key,
    String(a![key] ?? ''),
    String(b![key] ?? ''),
  ])
  return rows.filter(([, one, other]) => one !== other)
}
