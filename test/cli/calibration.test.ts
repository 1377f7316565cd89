import { PassThrough } from 'node:stream'
import t from 'tap'
import { createCalibrationProgress } from '../../src/cli/calibration-progress.ts'
import { calibrationTable } from '../../src/cli/calibration-table.ts'
import type { CalibrationEvent, ClassResult } from '../../src/study/calibration/records.ts'
import { Terminal } from './terminal.ts'

const POINT = { depth: 4, operationsPerSecond: 98.26, latency: 0.04066 }
const READ: ClassResult = {
  capacity: { class: 'random-read', baseLatency: 0.0104, peak: 98.2, residual: 0.012 },
  points: [POINT],
  search: {
    targetLatency: 0.05,
    depth: 4,
    operationsPerSecond: 97.5,
    expectedPerSecond: 98.44,
  },
  notes: ['not steady at depth 4: it changes by 12.0 % meanwhile, at most 10.0 %'],
}
const SEQUENTIAL: ClassResult = {
  capacity: {
    ...{ class: 'sequential-read', baseLatency: 0.0101, peak: 99, residual: 0 },
    bytesPerSecond: 99 * 2 ** 19,
  },
  points: [],
  notes: [],
}

const EVENTS: CalibrationEvent[] = [
  { type: 'waiting', tier: 'sata', for: 'study demo' },
  { type: 'layout', tier: 'sata', path: '/tiers/sata/kvmio-0.calibration', bytes: 2 ** 26 },
  { type: 'step', class: 'random-read', depth: 4, done: 1, of: 4, left: 75.4 },
  { type: 'point', class: 'random-read', point: POINT },
  { type: 'point', class: 'random-read', point: { ...POINT, unsteady: 'it changes' } },
  { type: 'step', class: 'random-read', depth: undefined, done: 2, of: 4, left: 0.2 },
  { type: 'class', result: READ },
  { type: 'class', result: SEQUENTIAL },
]

const LINES = [
  'waiting for study demo, which has tier sata',
  'tier sata: writing /tiers/sata/kvmio-0.calibration, at most 64 MiB',
  '  random-read depth 4: 98.3/s, mean latency 40.66 ms',
  '  random-read depth 4: 98.3/s, mean latency 40.66 ms, not steady',
  "  random-read: fio's search kept 50 ms with 4 at a time: 97.5/s",
  '  random-read: not steady at depth 4: it changes by 12.0 % meanwhile, at most 10.0 %',
]

t.test('plain lines where no terminal is', async (t) => {
  const output = new PassThrough()
  const progress = createCalibrationProgress(output as unknown as NodeJS.WriteStream)
  for (const event of EVENTS) progress.event(event)
  progress.stop()
  output.end()
  t.equal(String(output.read()), LINES.map((line) => `${line}\n`).join(''))
})

t.test('a bar below the lines on a terminal', async (t) => {
  const terminal = new Terminal({ columns: 100 })
  const progress = createCalibrationProgress(terminal as unknown as NodeJS.WriteStream)
  const bars = EVENTS.map((event) => {
    progress.event(event)
    return terminal.screen.at(-1)
  })
  const first = '[######..................] 1 of 4: random-read, depth 4, about 1 min 15 s left'
  const last =
    "[############............] 2 of 4: random-read, fio's search for the target latency, about 1 s left"
  t.strictSame(bars, [LINES[0], LINES[1], first, first, first, last, last, last])
  progress.stop()
  t.strictSame(terminal.screen, LINES, 'and it is gone in the end')
})

t.test('the table', async (t) => {
  const result = {
    ...{ tier: 'sata', fio: 'fio-3.33', quick: false, path: '/x', bytes: 2 ** 26 },
    classes: [READ, SEQUENTIAL],
  }
  t.equal(
    calibrationTable({ ...result, targetLatency: 0.05 }),
    `tier sata, fio-3.33 on 64 MiB

class             R0 ms  X_inf /s  at 50 ms /s  cost ms  MiB/s  residual  fio's search     line
random-read      10.400      98.2         77.8   10.183            1.2 %  4: 97.5 /s    98.4 /s
sequential-read  10.100      99.0         79.0   10.101   49.5     0.0 %

random-read: not steady at depth 4: it changes by 12.0 % meanwhile, at most 10.0 %`,
  )
  const { search: _, ...read } = READ
  t.equal(
    calibrationTable({ ...result, quick: true, classes: [{ ...read, notes: [] }] }),
    `tier sata, quick, fio-3.33 on 64 MiB

class         R0 ms  X_inf /s  cost ms  residual
random-read  10.400      98.2   10.183     1.2 %`,
    'without a target, a search and sequential classes',
  )
})
