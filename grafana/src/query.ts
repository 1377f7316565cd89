import type { Family } from '../../src/metrics/family.ts'

// PromQL from the catalog's families, so that a metric or a label that is renamed breaks the build.

/** What every selector has: the targets that the dashboard's variables choose. */
const TARGETS = 'job=~"$job",instance=~"$instance"'
/** Labels that say which host a series is of; every join has them. */
export const HOST = 'job, instance'

/** Values of labels; one with a variable, an alternative or a wildcard in it is a pattern. */
type Where<L extends string> = Partial<Record<NoInfer<L>, string>>

/** An expression and the words of its series. */
export interface Query {
  expr: string
  legend: string
}

export function query(expr: string, legend: string): Query {
  return { expr, legend }
}

/** The selector of a family. */
export function series<L extends string>(
  family: Pick<Family<L>, 'name'>,
  where: Where<L> = {},
): string {
  const matchers = Object.entries<string | undefined>(where).map(
    ([label, value = '']) => `${label}${/[$|.+*]/.test(value) ? '=~' : '='}"${value}"`,
  )
  return `${family.name}{${[TARGETS, ...matchers].join(',')}}`
}

/** How fast a counter goes up. */
export function rate<L extends string>(family: Family<L>, where?: Where<L>): string {
  return over('rate', family, where)
}

/** By how much a counter goes up from one point of a panel to the next. */
export function increase<L extends string>(family: Family<L>, where?: Where<L>): string {
  return over('increase', family, where)
}

function over<L extends string>(operation: string, family: Family<L>, where?: Where<L>): string {
  if (family.type !== 'counter')
    throw new TypeError(`${operation} of ${family.name}, a ${family.type}`)
  return `${operation}(${series(family, where)}[$__rate_interval])`
}

/** The buckets of a histogram by one point of a panel, for a heatmap. */
export function buckets<L extends string>(family: Family<L>, where?: Where<L>): string {
  return `sum by (le) (${over('increase', part(family, 'bucket'), where)})`
}

/** A quantile of a histogram. */
export function quantile<L extends string>(
  q: number,
  by: readonly string[],
  family: Family<L>,
  where?: Where<L>,
): string {
  const rates = over('rate', part(family, 'bucket'), where)
  return `histogram_quantile(${q}, sum by (${[...by, 'le'].join(', ')}) (${rates}))`
}

/** The counters that a histogram consists of. */
export function part<L extends string>(
  family: Family<L>,
  suffix: 'bucket' | 'sum' | 'count',
): Family<L> {
  if (family.type !== 'histogram')
    throw new TypeError(`${suffix} of ${family.name}, a ${family.type}`)
  return { ...family, name: `${family.name}_${suffix}`, type: 'counter' }
}

/** Sums over all labels but these. */
export function sumBy(by: readonly string[], ...exprs: string[]): string {
  const sums = exprs.map((expr) => `sum by (${by.join(', ')}) (${expr})`)
  return sums.length === 1 ? sums[0]! : `(${sums.join(' + ')})`
}

/** A quotient, absent where there is nothing to divide by: a mean of no operation is none. */
export function ratio(numerator: string, denominator: string): string {
  return `${numerator} / (${denominator} > 0)`
}
