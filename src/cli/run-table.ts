import type { RunSummary } from '../study/event.ts'
import { table } from './table.ts'

/** What a study's runs came to: one row a run, phases in seconds, transactions per second while all vms wrote. */
export function runTable(runs: readonly RunSummary[]): string {
  const phases = [...new Set(runs.flatMap((run) => Object.keys(run.phases)))]
  const head = [
    'case',
    'outcome',
    ...phases.map((phase) => `${phase} s`),
    'vm tps',
    'device',
    'device tps',
  ]
  const rows = runs.map((run) => [
    run.case,
    run.outcome,
    ...phases.map((phase) => run.phases[phase]?.toFixed(1) ?? ''),
    run.vmTransactions?.toFixed(1) ?? '',
    run.devices.map(({ tier, device }) => `${device} (${tier})`).join(', '),
    run.devices.map(span).join(', '),
  ])
  const notes = runs.flatMap(({ case: name, reason }) =>
    reason === undefined ? [] : [`${name}: ${reason}`],
  )
  const text = table(head, rows)
  return notes.length === 0 ? text : `${text}\n\n${notes.join('\n')}`
}

/** What the last column means. */
export const TABLE_NOTE =
  'Phases: the slowest vm. vm tps: the mean of one vm in its write phase. device tps: the lowest and the highest mean over any ten seconds in which all vms wrote.'

function span({ low, high, seconds }: RunSummary['devices'][number]): string {
  const means = low === high ? low.toFixed(1) : `${low.toFixed(1)}–${high.toFixed(1)}`
  return seconds < 10 ? `${means} (${seconds} s)` : means
}
