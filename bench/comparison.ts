/** Two ways to the same end, timed in the same run. */
export interface Comparison {
  what: string
  peer: string
  kvmioMs: Timings
  peerMs: Timings
}

/** What each repetition took, in milliseconds for one operation. */
export type Timings = readonly number[]

/** One row a comparison: medians over the repetitions, their ratio, and the lowest and the highest one's own. */
export function comparisonTable(comparisons: readonly Comparison[]): string {
  const rows = comparisons.map(({ what, peer, kvmioMs, peerMs }) => {
    const ratio = median(kvmioMs) / median(peerMs)
    const ratios = kvmioMs.map((ms, index) => ms / peerMs[index]!)
    return [
      what,
      median(kvmioMs).toFixed(3),
      median(peerMs).toFixed(3),
      ratio.toFixed(2),
      `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`,
      ratio > 1 ? `kvmio is slower than ${peer}` : `kvmio is faster than ${peer}`,
    ]
  })
  return aligned([['', 'kvmio ms', 'peer ms', 'ratio', 'its range', ''], ...rows])
}

export function median(values: Timings): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

function aligned(rows: readonly string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
