import type { Demand } from '../../density/records.ts'
import { mean } from '../load-window.ts'

// A correlation below this many standard errors is chance, and counts as none: 0.04 of it, which a minute of four
// independent vms easily shows, would make the sigma of twelve a fifth larger.
const ERRORS = 2

/**
 * The demand of one vm of several alike, from the device-seconds that each asked for in each second: a row a vm, the same
 * seconds in each. Undefined without a vm that has two seconds.
 */
export function demandOf(vms: readonly (readonly number[])[]): Demand | undefined {
  const series = vms.filter(({ length }) => length > 1)
  if (series.length === 0) return undefined
  const variance = mean(series.map((one) => covariance(one, one)))
  return {
    mean: mean(series.map(mean)),
    sigma: Math.sqrt(variance),
    correlation: variance === 0 ? 0 : correlationOf(series, variance),
  }
}

function correlationOf(series: readonly (readonly number[])[], variance: number): number {
  const pairs = series.flatMap((one, index) =>
    series.slice(index + 1).map((other) => covariance(one, other) / variance),
  )
  if (pairs.length === 0) return 0
  const seconds = Math.min(...series.map(({ length }) => length))
  const found = mean(pairs)
  return found < ERRORS / Math.sqrt(seconds * pairs.length) ? 0 : Math.min(1, found)
}

function covariance(one: readonly number[], other: readonly number[]): number {
  const length = Math.min(one.length, other.length)
  const [a, b] = [mean(one.slice(0, length)), mean(other.slice(0, length))]
  let sum = 0
  for (let index = 0; index < length; index++) sum += (one[index]! - a) * (other[index]! - b)
  return sum / (length - 1)
}
