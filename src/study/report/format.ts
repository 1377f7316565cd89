import type { Interval } from '../statistics/bootstrap.ts'
import type { Comparison } from './compare.ts'
import type { Measure } from './measures.ts'

/** Three digits: `0.0123`, `1.23`, `12.3`, `123`, `12,345`. */
export function formatFigure(value: number): string {
  if (!Number.isFinite(value)) return 'unknown'
  if (value === 0) return '0'
  const digits = 2 - Math.floor(Math.log10(Math.abs(value)))
  return digits > 0 ? value.toFixed(Math.min(digits, 6)) : Math.round(value).toLocaleString('en-US')
}

/** `[1.90, 2.30]` */
export function formatInterval({ low, high }: Interval, format = formatFigure): string {
  return `[${format(low)}, ${format(high)}]`
}

/** `10.4 s`, `52.1/s` */
export function formatMeasured(value: number, { unit }: Pick<Measure, 'unit'>): string {
  return unit.startsWith('/') ? `${formatFigure(value)}${unit}` : `${formatFigure(value)} ${unit}`
}

export function formatRatio(ratio: number): string {
  return ratio >= 100
    ? Math.round(ratio).toLocaleString('en-US')
    : ratio.toFixed(ratio < 10 ? 2 : 1)
}

/** `12 blocks` */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString('en-US')} ${n === 1 ? one : many}`
}

/** `a, b and c` */
export function list(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}

/** The same comparison with the greater of the two first, so that its ratio is 1 or above. */
export function greaterFirst(comparison: Comparison): Comparison {
  const { ratio, interval, medians, cliffsDelta } = comparison
  if (ratio === undefined || ratio >= 1) return comparison
  return {
    ...comparison,
    case: comparison.reference,
    reference: comparison.case,
    ratio: 1 / ratio,
    ...(interval && { interval: { low: 1 / interval.high, high: 1 / interval.low } }),
    ...(medians && { medians: { case: medians.reference, reference: medians.case } }),
    ...(cliffsDelta !== undefined && { cliffsDelta: -cliffsDelta }),
  }
}
