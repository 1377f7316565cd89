import { caseName, type FactorValue } from './factors.ts'
import type { Path } from './problems.ts'
import type { Readable } from './readable.ts'
import type { StudyConfig } from './schema.ts'

// Factors, include and exclude, as GitHub's matrix reads them:
// https://docs.github.com/en/actions/writing-workflows/choosing-what-your-workflow-does/running-variations-of-jobs-in-a-workflow

export type MatrixStudy = Readable<Pick<StudyConfig, 'factors' | 'include' | 'exclude'>>

/** One case of a matrix, before its guest is looked at. */
export interface MatrixPoint {
  name: string
  /** By factor, what it is here: a value, or the name that stands for several. */
  factors: Record<string, FactorValue>
  /** What to set, by dotted path. */
  settings: Record<string, FactorValue>
}

/** One factor with its values; those with a mistake are left out. */
export interface Axis {
  name: string
  values: { value: FactorValue; settings: Record<string, FactorValue>; place: Path }[]
}

/** The key of an entry of `include` that names its case. */
export const NAME = 'name'

/** More would take years. */
export const MAX_CASES = 10_000

/** The cases of a matrix: the last factor fastest, as nested loops would; what `include` adds comes last. None of too many. */
export function expandMatrix(study: MatrixStudy): MatrixPoint[] {
  if (countProducts(study) > MAX_CASES) return []
  const axes = axesOf(study)
  const excluded = entriesOf(study.exclude)
  const products = combinations(axes).filter(
    (point) => !excluded.some((entry) => matches(entry, point.factors)),
  )
  const included = entriesOf(study.include)
  // Without factors there is one case, unless entries say which there are.
  const original = axes.length === 0 && included.length > 0 ? [] : products
  return included.reduce((points, entry) => includeEntry(points, entry, axes, original), original)
}

/** Where each case comes from decides what an entry extends: it never extends what another entry has added. */
function includeEntry(
  points: readonly MatrixPoint[],
  entry: Entry,
  axes: readonly Axis[],
  original: readonly MatrixPoint[],
): MatrixPoint[] {
  if (!extendsCases(entry, axes, original)) return [...points, addedPoint(entry, axes)]
  const names = axes.map(({ name }) => name)
  const more = Object.fromEntries(Object.entries(entry).filter(([key]) => !names.includes(key)))
  return points.map((point, index) =>
    index < original.length && matches(onAxes(entry, axes), point.factors)
      ? {
          ...point,
          factors: { ...point.factors, ...more },
          settings: { ...point.settings, ...more },
        }
      : point,
  )
}

/** Whether an entry of `include` says more of cases that are there, and is no case of its own. */
export function extendsCases(
  entry: Entry,
  axes: readonly Axis[],
  original: readonly MatrixPoint[],
): boolean {
  return (
    !Object.hasOwn(entry, NAME) &&
    original.some(({ factors }) => matches(onAxes(entry, axes), factors))
  )
}

export type Entry = Readonly<Record<string, FactorValue>>

/** The entries of a list without their mistakes. */
export function entriesOf(list: MatrixStudy['include']): Entry[] {
  return (list ?? []).map((entry) => {
    const values = Object.entries(entry ?? {}).filter(([, value]) => value !== undefined)
    return Object.fromEntries(values) as Entry
  })
}

export function axesOf({ factors }: MatrixStudy): Axis[] {
  return Object.entries(factors ?? {}).map(([name, given]) => {
    const place: Path = ['factors', name]
    if (Array.isArray(given)) {
      const values = given.flatMap((value, index) =>
        value === undefined
          ? []
          : [{ value, settings: { [name]: value }, place: [...place, index] }],
      )
      return { name, values }
    }
    const values = Object.entries(given ?? {}).map(([value, settings]) => ({
      value,
      settings: (typeof settings === 'object' ? settings : { [name]: settings }) as Record<
        string,
        FactorValue
      >,
      place: [...place, value],
    }))
    return { name, values }
  })
}

/** How many cases the factors alone make. */
export function countProducts(study: MatrixStudy): number {
  return axesOf(study).reduce((product, { values }) => product * values.length, 1)
}

/** One thing that a case sets, and where the study says so. */
export interface Setting {
  key: string
  value: FactorValue
  place: Path
}

/** All that the cases of a study set beside its own settings. */
export function settingsOf(study: MatrixStudy): Setting[] {
  const axes = axesOf(study)
  const varied = axes.flatMap(({ name, values }) =>
    values.flatMap(({ settings, place }) =>
      Object.entries(settings).map(([key, value]) => ({
        key,
        value,
        place: key === name ? place : [...place, key],
      })),
    ),
  )
  const names = [NAME, ...axes.map(({ name }) => name)]
  const included = entriesOf(study.include).flatMap((entry, index) =>
    Object.entries(entry).flatMap(([key, value]) =>
      names.includes(key) ? [] : [{ key, value, place: ['include', index, key] }],
    ),
  )
  return [...varied, ...included]
}

/** Whether an entry's values of factors are those of a case. */
export function matches(entry: Entry, factors: MatrixPoint['factors']): boolean {
  return Object.entries(entry).every(([key, value]) => factors[key] === value)
}

function onAxes(entry: Entry, axes: readonly Axis[]): Entry {
  const names = axes.map(({ name }) => name)
  return Object.fromEntries(Object.entries(entry).filter(([key]) => names.includes(key)))
}

function addedPoint(entry: Entry, axes: readonly Axis[]): MatrixPoint {
  const { [NAME]: given, ...factors } = entry
  const settings = Object.entries(factors).map(([key, value]) => {
    const axis = axes.find(({ name }) => name === key)
    return axis?.values.find((one) => one.value === value)?.settings ?? { [key]: value }
  })
  return {
    name: given === undefined ? caseName(Object.values(factors)) : String(given),
    factors,
    settings: Object.assign({}, ...settings),
  }
}

function combinations(axes: readonly Axis[]): MatrixPoint[] {
  let points: Omit<MatrixPoint, 'name'>[] = [{ factors: {}, settings: {} }]
  for (const { name, values } of axes) {
    points = points.flatMap(({ factors, settings }) =>
      values.map((one) => ({
        factors: { ...factors, [name]: one.value },
        settings: { ...settings, ...one.settings },
      })),
    )
  }
  return points.map((point) => ({ name: caseName(Object.values(point.factors)), ...point }))
}
