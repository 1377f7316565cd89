import type { RunSummary } from '../study/event.ts'
import { SATURATED } from '../study/findings.ts'
import { table } from './table.ts'

// Below this it explains nothing: at 4 % the emulated disk of 100 tps still served 95.
const NOTEWORTHY = 0.01

/** What a study's runs came to: one row a run, phases in seconds, transactions per second while all vms wrote. */
export function runTable(runs: readonly RunSummary[]): string {
  const phases = [...new Set(runs.flatMap((run) => Object.keys(run.phases)))]
  const wasStolen = runs.some(({ stolen }) => (stolen ?? 0) >= NOTEWORTHY)
  const wasBusy = runs.some(({ cpuBusy }) => (cpuBusy ?? 0) > SATURATED)
  const head = [
    'case',
    'outcome',
    ...phases.map((phase) => `${phase} s`),
    'vm tps',
    'device',
    'device tps',
    ...(wasBusy ? ['host cpu'] : []),
    ...(wasStolen ? ['stolen'] : []),
  ]
  const rows = runs.map((run) => [
    run.case,
    run.outcome,
    ...phases.map((phase) => run.phases[phase]?.toFixed(1) ?? ''),
    run.vmTransactions?.toFixed(1) ?? '',
    run.devices.map(({ tier, device }) => `${device} (${tier})`).join(', '),
    run.devices.map(span).join(', '),
    ...(wasBusy ? [percent(run.cpuBusy)] : []),
    ...(wasStolen ? [percent(run.stolen)] : []),
  ])
  const notes = runs.flatMap(({ case: name, reason }) =>
    reason === undefined ? [] : [`${name}: ${reason}`],
  )
  const tables = [table(head, rows), ...fioTable(runs)]
  return [...tables, ...(notes.length === 0 ? [] : [notes.join('\n')])].join('\n\n')
}

/** A row for each direction that fio used: the mean of one vm, and the slowest one's latency. */
function fioTable(runs: readonly RunSummary[]): string[] {
  const rows = runs.flatMap(({ case: name, fio = {} }) =>
    (['read', 'write'] as const).flatMap((direction) => {
      const figures = fio[direction]
      if (!figures) return []
      const { bytesPerSecond, operationsPerSecond, p99 } = figures
      const latency = p99 === undefined ? '' : (p99 * 1000).toFixed(2)
      const mebibytes = (bytesPerSecond / 2 ** 20).toFixed(1)
      return [[name, direction, mebibytes, operationsPerSecond.toFixed(0), latency]]
    }),
  )
  return rows.length === 0 ? [] : [table(['case', 'fio', 'MiB/s', 'iops', 'p99 ms'], rows)]
}

/** What the columns mean. */
export const TABLE_NOTE =
  'Phases: the slowest vm. vm tps: the mean of one vm in its write phase, or that of fio, a script or idling. device tps: the lowest and the highest mean over any ten seconds in which all vms wrote. host cpu, where there is such a column: the share of their time in which the processors of this host were busy in these phases; above 80 % they may be what was measured. stolen, where there is one: processor time that a hypervisor under this host gave to others meanwhile; it slows guests and emulated disks down.'

function percent(share: number | undefined): string {
  return share === undefined ? '' : `${Math.round(share * 100)} %`
}

function span({ low, high, seconds }: RunSummary['devices'][number]): string {
  const means = low === high ? low.toFixed(1) : `${low.toFixed(1)}–${high.toFixed(1)}`
  return seconds < 10 ? `${means} (${seconds} s)` : means
}
