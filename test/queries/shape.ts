// Whether an answer is what its panel can draw.
import type { Panel, Target } from '../grafana/dashboards.ts'
import type { Series } from './prometheus.ts'

/** So many lines, rows or cells a person can read; more is a query that forgot to sum. */
const MOST_SERIES = 60
const MOST_ROWS = 500

/** What is wrong with it, or undefined. */
export function wrongShape(
  panel: Panel,
  target: Target,
  series: readonly Series[],
): string | undefined {
  const { type } = panel
  const values = series.flatMap(({ value, values = [] }) => [...(value ? [value] : []), ...values])
  const numbers = values.map(([, text]) => Number(text))
  if (!numbers.some(Number.isFinite)) return 'has no number'
  const most = type === 'table' || type === 'heatmap' ? MOST_ROWS : MOST_SERIES
  if (series.length > most) return `has ${series.length} series`
  for (const [, label] of (target.legendFormat ?? '').matchAll(/\{\{(\w+)\}\}/g)) {
    if (series.every(({ metric }) => !metric[label!])) return `has no label ${label} for its legend`
  }
  const names = series.map(({ metric }) => legendOf(target, metric))
  if (type !== 'table' && new Set(names).size !== names.length)
    return `has two series called "${names.find((name, index) => names.indexOf(name) !== index)}"`
  if (type === 'heatmap') {
    const bounds = series.map(({ metric }) => Number(metric.le?.replace('+Inf', 'Infinity')))
    if (bounds.length < 3 || bounds.some(Number.isNaN)) return 'has no buckets'
    if (numbers.some((number) => number < 0)) return 'has a negative count'
  }
  if (
    type === 'state-timeline' &&
    numbers.some((number) => !Number.isInteger(number) || number < 1)
  )
    return 'has a state without a name'
  const { unit } = panel.fieldConfig?.defaults ?? {}
  if (unit === 'dateTimeFromNow' && numbers.some((number) => number < 1e12))
    return 'is no time in milliseconds'
  if (type !== 'table' && unit === 's' && numbers.some((number) => number < 0))
    return 'has a negative time'
  return undefined
}

function legendOf({ legendFormat }: Target, metric: Record<string, string>): string {
  return (
    legendFormat?.replaceAll(/\{\{(\w+)\}\}/g, (_, label) => metric[label] ?? '') ??
    JSON.stringify(metric)
  )
}
