import { aligned } from './table.ts'

/** What one part of the benchmark came to. */
export interface PartResult {
  /** Tables and sentences, in the order of the report. */
  report: string[]
  targets: Target[]
}

/** What a figure should be, and whether it is. */
export interface Target {
  what: string
  bar: string
  figure: string
  isMet: boolean
}

export interface Part {
  name: string
  /** For the head: about how long it takes on two cores. */
  minutes: number
  /** Gives up, and back what it took, when the signal comes. */
  run(signal: AbortSignal): Promise<PartResult>
}

export function targetTable(targets: readonly Target[]): string {
  const rows = targets.map(({ what, bar, figure, isMet }) => [
    what,
    bar,
    figure,
    isMet ? 'met' : 'MISSED',
  ])
  return aligned([['target', 'bar', 'figure', ''], ...rows])
}
