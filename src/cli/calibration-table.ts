import { formatBytes, formatSeconds } from '../lib/quantities.ts'
import { capacityAtTarget, neighbourNotes } from '../study/calibration/evaluate.ts'
import type { CalibrationResult, ClassResult } from '../study/calibration/records.ts'
import { table } from './table.ts'

/** What a calibration came to: one row a class, and what is to be known of it. */
export function calibrationTable(result: CalibrationResult): string {
  const { tier, fio, quick, bytes, targetLatency, classes } = result
  const target = targetLatency === undefined ? undefined : formatSeconds(targetLatency)
  const hasBytes = classes.some(({ capacity }) => capacity.bytesPerSecond !== undefined)
  const hasSearch = classes.some(({ search }) => search)
  const head = [
    'class',
    'R0 ms',
    'X_inf /s',
    ...(target === undefined ? [] : [`at ${target} /s`]),
    'cost ms',
    ...(hasBytes ? ['MiB/s'] : []),
    'residual',
    ...(hasSearch ? ["fio's search", 'line'] : []),
  ]
  const rows = classes.map(({ capacity, search }) => [
    capacity.class,
    (capacity.baseLatency * 1000).toFixed(3),
    capacity.peak.toFixed(1),
    ...(target === undefined ? [] : [capacityAtTarget(capacity, targetLatency)!.toFixed(1)]),
    (1000 / capacity.peak).toFixed(3),
    ...(hasBytes ? [mebibytes(capacity.bytesPerSecond)] : []),
    `${(capacity.residual * 100).toFixed(1)} %`,
    ...(hasSearch
      ? [
          search ? `${search.depth}: ${search.operationsPerSecond.toFixed(1)} /s` : '',
          search ? `${search.expectedPerSecond.toFixed(1)} /s` : '',
        ]
      : []),
  ])
  const how = `tier ${tier}, ${quick ? 'quick, ' : ''}${fio} on ${formatBytes(bytes)}`
  const notes = [...neighbourNotes(result), ...classes.flatMap(notesOf)]
  return [how, table(head, rows), ...(notes.length === 0 ? [] : [notes.join('\n')])].join('\n\n')
}

/** What the columns mean. */
export const CALIBRATION_NOTE =
  "R0: how long an operation takes that waits for no other. X_inf: the rate that the tier never exceeds. at TARGET: X_inf (1 - R0 / TARGET), what it serves with that mean latency. cost: the tier's time that one operation takes, 1 / X_inf. residual: how far the measured latencies lie from the line R0 + Q / X_inf, at the most. fio's search: the depth at which fio itself finds the target kept and its rate, beside what the line has for that depth."

function notesOf({ capacity, notes }: ClassResult): string[] {
  return notes.map((note) => `${capacity.class}: ${note}`)
}

function mebibytes(bytes: number | undefined): string {
  return bytes === undefined ? '' : (bytes / 2 ** 20).toFixed(1)
}
