import t from 'tap'
import { runTable } from '../../src/cli/run-table.ts'
import { table } from '../../src/cli/table.ts'
import type { RunSummary } from '../../src/study/event.ts'

t.test('text to the left, figures to the right', async (t) => {
  const rows = [
    ['virtio-blk-qcow2', 'passed', '9.5', '12.0–101.3'],
    ['ide-raw', 'failed', '120.25', ''],
  ]
  t.equal(
    table(['case', 'outcome', 's', 'tps'], rows),
    [
      'case              outcome       s         tps',
      'virtio-blk-qcow2  passed      9.5  12.0–101.3',
      'ide-raw           failed   120.25',
    ].join('\n'),
  )
})

t.test('a figure with its unit is a figure; one word makes a column text', async (t) => {
  t.equal(table(['size'], [['4 GiB'], ['512 MiB']]), '   size\n  4 GiB\n512 MiB')
  t.equal(table(['size'], [['4 GiB'], ['unknown']]), 'size\n4 GiB\nunknown')
})

t.test('short rows, long rows, no rows', async (t) => {
  t.equal(table(['a', 'b'], [['x']]), 'a  b\nx')
  t.equal(table(['a', 'b'], []), 'a  b')
  t.equal(table(['longer'], [['1']]), 'longer\n     1')
})

function run(more: Partial<RunSummary>): RunSummary {
  return {
    study: 'demo',
    case: 'ide-raw',
    block: 1,
    run: 1,
    outcome: 'passed',
    phases: {},
    devices: [],
    ...more,
  }
}

t.test('the table of a study: a row a run, what went wrong below it', async (t) => {
  const loop0 = { tier: 'sata-7200', device: 'loop0', low: 97.84, high: 98.12, seconds: 10 }
  const runs = [
    run({
      case: 'virtio-blk-qcow2',
      phases: { boot: 2.04, write: 10.06 },
      vmTransactions: 49.23,
      devices: [loop0],
    }),
    run({
      phases: { boot: 3.14 },
      outcome: 'failed',
      reason: 'vm demo-ide-raw-1: no space left',
      devices: [{ ...loop0, low: 50, high: 50, seconds: 4 }],
    }),
    run({ case: 'ide-qcow2', outcome: 'abandoned', phases: { settle: 10 } }),
  ]
  t.equal(
    runTable(runs),
    [
      'case              outcome    boot s  write s  settle s  vm tps  device             device tps',
      'virtio-blk-qcow2  passed        2.0     10.1              49.2  loop0 (sata-7200)  97.8–98.1',
      'ide-raw           failed        3.1                             loop0 (sata-7200)  50.0 (4 s)',
      'ide-qcow2         abandoned                       10.0',
      '',
      'ide-raw: vm demo-ide-raw-1: no space left',
    ].join('\n'),
  )
})

t.test('what fio reported has a table of its own', async (t) => {
  const fio = {
    read: { bytesPerSecond: 8.7 * 2 ** 20, operationsPerSecond: 2238.4, p99: 0.00646 },
    write: { bytesPerSecond: 2 ** 20, operationsPerSecond: 256 },
  }
  t.equal(
    runTable([run({ fio }), run({ case: 'b', outcome: 'failed', reason: 'vm b: no', fio: {} })]),
    [
      'case     outcome  vm tps  device  device tps',
      'ide-raw  passed',
      'b        failed',
      '',
      'case     fio    MiB/s  iops  p99 ms',
      'ide-raw  read     8.7  2238    6.46',
      'ide-raw  write    1.0   256',
      '',
      'b: vm b: no',
    ].join('\n'),
  )
})

t.test('two devices in one cell', async (t) => {
  const devices = [
    { tier: 'a', device: 'loop0', low: 1, high: 2, seconds: 10 },
    { tier: 'b', device: 'vda', low: 3, high: 3, seconds: 10 },
  ]
  const [, row] = runTable([run({ devices })]).split('\n')
  t.equal(row, 'ide-raw  passed           loop0 (a), vda (b)  1.0–2.0, 3.0')
})

t.test('stolen processor time has a column where it explains something', async (t) => {
  const [head] = runTable([run({ stolen: 0.004 })]).split('\n')
  t.notMatch(head, 'stolen')
  const rows = runTable([run({ stolen: 0.235 }), run({ stolen: 0 })]).split('\n')
  t.same(
    rows.map((row) => row.slice(-6).trim()),
    ['stolen', '24 %', '0 %'],
  )
})
