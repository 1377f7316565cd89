import { median } from 'simple-statistics'
import { type Interval, medianInterval, relativeHalfWidth } from '../statistics/bootstrap.ts'
import { outlierFlags } from '../statistics/outliers.ts'
import { type Arithmetic, arithmeticOf } from './arithmetic.ts'
import { cautionsOf } from './cautions.ts'
import { type CaseClass, classesOf, className } from './classes.ts'
import { type BlockValues, blockValues, type Comparison, compareAll, valuesOf } from './compare.ts'
import { type Conclusion, conclusionsOf, type Inconclusive, inconclusiveOf } from './conclusions.ts'
import { type Effect, effectsOf } from './effects.ts'
import { type LayerFigures, layersOf } from './layers.ts'
import { type Measure, measuresOf } from './measures.ts'
import { paperPart } from './paper.ts'
import { checkPaper, type PaperCheck } from './paper-check.ts'
import { type Recommendation, recommendationsOf } from './recommend.ts'
import type { RunResult, StudyResults } from './record.ts'

/** All that a report says of a study; plain data. */
export interface Analysis {
  study: string
  seed: number
  /** In which a run passed. */
  blocks: number
  runs: { passed: number; all: number }
  scale?: string
  /** The one that answers what the study asks comes first. */
  measures: MeasureAnalysis[]
  layers: LayerFigures[]
  arithmetic: Arithmetic[]
  conclusions: Conclusion[]
  inconclusive: Inconclusive[]
  recommendations: Recommendation[]
  /** Where the study repeats a part of the paper. */
  paper?: PaperCheck
}

export interface MeasureAnalysis {
  name: string
  title: string
  unit: string
  better: Measure['better']
  source: string
  classes: ClassAnalysis[]
}

/** Cases that may be ranked against one another. */
export interface ClassAnalysis {
  title: string
  durable: boolean
  accelerator: string
  reference: string
  cases: CaseResult[]
  comparisons: Comparison[]
  effects: Effect[]
}

export interface CaseResult {
  case: string
  /** Blocks in which it passed. */
  n: number
  /** Over blocks; of a block with several runs, as a reference case has, their median. */
  median?: number
  /** Absent below six blocks. */
  interval?: Interval
  /** Half the interval as a share of the median. */
  relativeHalfWidth?: number
  runs: { run: number; block: number; value: number; outlier: boolean }[]
}

/** Holds all cases against their references. The same results give the same analysis. */
export function analyse(study: StudyResults): Analysis {
  const { runs, cases, seed } = study
  const passed = runs.filter(({ outcome }) => outcome === 'passed')
  const part = paperPart(study.name)
  const measures = measuresOf(runs, study.measure ?? part?.measure)
  const classes = classesOf(study)
  const [primary] = measures
  const parts = measures.flatMap((measure) => {
    const values = blockValues(runs, measure)
    return [
      { measure, values, classes: classes.map((of) => classAnalysis(of, values, measure, study)) },
    ]
  })
  const said = parts.flatMap(({ measure, classes: analyses }) =>
    analyses.map(({ comparisons }, index) => ({ comparisons, measure, of: classes[index]! })),
  )
  return {
    study: study.name,
    seed,
    blocks: new Set(passed.map(({ block }) => block)).size,
    runs: { passed: passed.length, all: runs.length },
    ...(study.scale !== undefined && { scale: study.scale }),
    measures: parts.map(({ measure: { name, title, unit, better, source }, classes }) => ({
      name,
      title,
      unit,
      better,
      source,
      classes,
    })),
    layers: layersOf(cases, runs),
    arithmetic: arithmeticOf(cases, runs),
    conclusions: said.flatMap(({ comparisons, measure, of }) =>
      conclusionsOf(comparisons, measure, of),
    ),
    inconclusive: [
      ...(primary ? cautionsOf(study, classes, blockValues(runs, primary), primary) : []),
      ...said.flatMap(({ comparisons, measure, of }) => inconclusiveOf(comparisons, measure, of)),
    ],
    recommendations: primary
      ? classes.flatMap((of) => recommendationsOf(of, blockValues(runs, primary), primary, seed))
      : [],
    ...(part && { paper: checkPaper(part, study, classes) }),
  }
}

function classAnalysis(
  of: CaseClass,
  values: BlockValues,
  measure: Measure,
  { runs, seed }: StudyResults,
): ClassAnalysis {
  const { cases, reference } = of
  const family = cases.flatMap(({ name }) =>
    name === reference ? [] : [[name, reference] as const],
  )
  return {
    title: className(of),
    durable: of.durable,
    accelerator: of.accelerator,
    reference,
    cases: cases.map(({ name }) =>
      caseResult(name, valuesOf(values, name), runs, { measure, seed }),
    ),
    comparisons: compareAll(family, values, measure, seed),
    effects: effectsOf(of, values, measure, seed),
  }
}

function caseResult(
  name: string,
  values: readonly number[],
  runs: readonly RunResult[],
  { measure, seed }: { measure: Measure; seed: number },
): CaseResult {
  const measured = runs.flatMap((run) => {
    const value = run.case === name && run.outcome === 'passed' ? measure.of(run) : undefined
    return value === undefined ? [] : [{ run: run.id, block: run.block, value }]
  })
  const flags = outlierFlags(measured.map(({ value }) => value))
  const middle = values.length === 0 ? undefined : median([...values])
  const interval = medianInterval(values, { seed })
  return {
    case: name,
    n: values.length,
    ...(middle !== undefined && { median: middle }),
    ...(interval && { interval }),
    ...(interval && middle && { relativeHalfWidth: relativeHalfWidth(interval, middle) }),
    runs: measured.map((each, index) => ({ ...each, outlier: flags[index]! })),
  }
}
