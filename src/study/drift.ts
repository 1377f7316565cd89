/**
 * Why a block counts for nothing whose reference case came out otherwise at one time than at another; undefined when
 * its runs lie within `limit` of their median, or there are fewer than two.
 */
export function driftProblem(
  reference: string,
  values: readonly number[],
  limit: number,
): string | undefined {
  if (values.length < 2) return undefined
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const median = (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2
  const [low, high] = [sorted[0]!, sorted.at(-1)!]
  if (median <= 0 || (high - low) / median <= limit) return undefined
  const share = Math.round(((high - low) / median) * 1000) / 10
  return `the reference case ${reference} drifted: ${values.map(plain).join(', ')}, which lie ${share} % apart; at most ${Math.round(limit * 1000) / 10} %`
}

function plain(value: number): string {
  return String(Number(value.toPrecision(4)))
}
