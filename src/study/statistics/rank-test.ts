import { errorFunction } from 'simple-statistics'

/** What Mann and Whitney's test says of two samples. */
export interface RankTest {
  /** Pairs in which the first sample's value is the greater, a tie as a half. */
  u: number
  /** Two-sided. */
  p: number
}

// Exact up to here: more takes long, and beyond it the normal approximation is good to the third digit.
const EXACT_VALUES = 50

/**
 * Whether one of two independent samples tends to be greater (Mann and Whitney 1947). Without ties and with at most 50
 * values in all, p is exact; else by the normal approximation with Lehmann's correction for ties and one half for
 * continuity, as R's wilcox.test and SciPy's mannwhitneyu have it.
 */
export function mannWhitney(first: readonly number[], second: readonly number[]): RankTest {
  if (first.length === 0 || second.length === 0) {
    const sizes = `${first.length} and ${second.length}`
    throw new RangeError(`mannWhitney: expected two samples with values, got ${sizes} values`)
  }
  const u = pairsAbove(first, second)
  const ties = tieSizes([...first, ...second])
  const exact = ties.length === 0 && first.length + second.length <= EXACT_VALUES
  const p = exact ? exactP(u, first.length, second.length) : normalP(u, first, second, ties)
  return { u, p: Math.min(1, p) }
}

function pairsAbove(first: readonly number[], second: readonly number[]): number {
  let pairs = 0
  for (const a of first) for (const b of second) pairs += a > b ? 1 : a === b ? 0.5 : 0
  return pairs
}

/** How many values share each rank that more than one has. */
function tieSizes(values: readonly number[]): number[] {
  const counts = new Map<number, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts.values()].filter((count) => count > 1)
}

function exactP(u: number, m: number, n: number): number {
  const counts = orderCounts(m, n)
  const all = counts.reduce((sum, count) => sum + count, 0)
  const tail = Math.min(u, m * n - u)
  const inTail = counts.slice(0, tail + 1).reduce((sum, count) => sum + count, 0)
  return (2 * inTail) / all
}

/** In how many orders of m and n values U comes to 0, 1, … m·n: the coefficients of the Gaussian binomial. */
function orderCounts(m: number, n: number): number[] {
  let counts = [1, ...new Array<number>(m * n).fill(0)]
  for (let i = 1; i <= m; i++) {
    // times (1 − q^(n+i)), over (1 − q^i)
    const times = counts.map((count, u) => count - (u >= n + i ? counts[u - n - i]! : 0))
    counts = []
    for (const [u, count] of times.entries()) counts.push(count + (u >= i ? counts[u - i]! : 0))
  }
  return counts
}

function normalP(
  u: number,
  first: readonly number[],
  second: readonly number[],
  ties: readonly number[],
): number {
  const [m, n] = [first.length, second.length]
  const all = m + n
  const tied = ties.reduce((sum, size) => sum + size ** 3 - size, 0)
  const variance = ((m * n) / 12) * (all + 1 - tied / (all * (all - 1)))
  if (variance === 0) return 1 // all values are the same
  const z = (Math.abs(u - (m * n) / 2) - 0.5) / Math.sqrt(variance)
  return 1 - errorFunction(z / Math.SQRT2) // to 1.2e-7
}

/**
 * P values of several tests, made greater so that the chance of any false finding stays what that of one was (Holm 1979).
 * In the order in which they were given.
 */
export function holm(ps: readonly number[]): number[] {
  const order = ps.map((p, index) => ({ p, index })).sort((a, b) => a.p - b.p)
  const adjusted = new Array<number>(ps.length)
  let least = 0
  for (const [rank, { p, index }] of order.entries()) {
    least = Math.max(least, Math.min(1, p * (ps.length - rank)))
    adjusted[index] = least
  }
  return adjusted
}
