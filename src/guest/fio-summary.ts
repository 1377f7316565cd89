import { type FioFigures, parseFio } from '../source/fio.ts'

/** What fio reported in the vms of a run, of the directions that it used. */
export interface FioSummary {
  read?: FioFigures
  write?: FioFigures
}

/** Sums up fio's outputs, one a vm: the means of one vm, and the slowest latency. Undefined without any. */
export function fioSummary(outputs: readonly string[]): FioSummary | undefined {
  if (outputs.length === 0) return undefined
  const results = outputs.map(parseFio)
  const read = ofOneVm(results.flatMap(({ read }) => read ?? []))
  const write = ofOneVm(results.flatMap(({ write }) => write ?? []))
  return { ...(read && { read }), ...(write && { write }) }
}

function ofOneVm(figures: readonly FioFigures[]): FioFigures | undefined {
  if (figures.length === 0) return undefined
  const mean = (key: 'bytesPerSecond' | 'operationsPerSecond') =>
    figures.reduce((sum, each) => sum + each[key], 0) / figures.length
  const p99s = figures.flatMap(({ p99 }) => p99 ?? [])
  return {
    bytesPerSecond: mean('bytesPerSecond'),
    operationsPerSecond: mean('operationsPerSecond'),
    ...(p99s.length > 0 && { p99: Math.max(...p99s) }),
  }
}
