/** The lowest and the highest mean over a stretch of seconds. */
export interface Span {
  low: number
  high: number
}

/**
 * The range of the means over every `length` consecutive seconds; over all of them when there are fewer, which
 * `seconds` tells. Undefined without a sample.
 */
export function windowMeans(
  perSecond: readonly number[],
  length: number,
): (Span & { seconds: number }) | undefined {
  const width = Math.min(length, perSecond.length)
  if (width === 0) return undefined
  const means = perSecond
    .slice(width - 1)
    .map((_, start) => mean(perSecond.slice(start, start + width)))
  return { low: Math.min(...means), high: Math.max(...means), seconds: width }
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
