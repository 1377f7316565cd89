import { aligned } from './table.ts'

/** Two ways to the same end, timed in the same run. */
export interface Comparison {
  what: string
  peer: string
  /** What the figures are: ms, CPU ms, bytes. */
  unit: string
  kvmio: Figures
  peers: Figures
}

/** One figure a repetition, of one operation; the repetitions of both took turns. */
export type Figures = readonly number[]

/** One row a comparison: medians over the repetitions, their ratio, and the lowest and the highest one's own. */
export function comparisonTable(comparisons: readonly Comparison[]): string {
  const rows = comparisons.map((comparison) => {
    const { what, peer, unit, kvmio, peers } = comparison
    const [least, most] = range(kvmio.map((value, index) => value / peers[index]!))
    return [
      what,
      peer,
      unit,
      figure(median(kvmio)),
      figure(median(peers)),
      ratioOf(comparison).toFixed(3),
      `${least.toFixed(3)}–${most.toFixed(3)}`,
    ]
  })
  return aligned([['', 'beside', 'unit', 'kvmio', 'peer', 'ratio', 'its range'], ...rows])
}

/** Of the medians. */
export function ratioOf({ kvmio, peers }: Comparison): number {
  return median(kvmio) / median(peers)
}

export function median(values: Figures): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export function range(values: Figures): [least: number, most: number] {
  return [Math.min(...values), Math.max(...values)]
}

/** Three significant digits, and whole numbers whole. */
export function figure(value: number): string {
  return Math.abs(value) >= 100 ? String(Math.round(value)) : value.toPrecision(3)
}
