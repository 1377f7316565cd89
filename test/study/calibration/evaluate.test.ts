import t from 'tap'
import {
  capacityAtTarget,
  capacityOf,
  expectedRate,
  neighbourNotes,
  searchNotes,
} from '../../../src/study/calibration/evaluate.ts'
import type { CalibrationResult, MeasuredPoint } from '../../../src/study/calibration/records.ts'
import { nextDepth, pointOf } from '../../../src/study/calibration/sweep.ts'

function point(depth: number, operationsPerSecond: number, more: Partial<MeasuredPoint> = {}) {
  return { depth, operationsPerSecond, latency: depth / operationsPerSecond, ...more }
}

t.test('a disk of 10 ms', async (t) => {
  const points = [point(1, 100), point(4, 100), point(16, 100)]
  const { capacity, notes } = capacityOf('random-read', points)
  t.strictSame(notes, [])
  t.equal(capacity.class, 'random-read')
  t.notOk('bytesPerSecond' in capacity)
  t.equal(Math.round(capacityAtTarget(capacity, 0.05)!), 80)
  t.equal(capacityAtTarget(capacity, undefined), undefined)
  const sequential = capacityOf('sequential-read', points).capacity
  t.equal(Math.round(sequential.bytesPerSecond! / 2 ** 19), 100, 'operations of 512 KiB')
})

t.test('a disk that serves four at a time is on no line', async (t) => {
  const points = [1, 2, 4, 8, 16, 32].map((depth) => point(depth, Math.min(depth, 4) * 100))
  const { capacity, notes } = capacityOf('random-write', points)
  t.equal(capacity.baseLatency, 0.01)
  t.equal(capacity.peak, 400)
  t.equal(notes.length, 1)
  t.match(
    notes[0],
    /^its latency is no straight line \(\d+\.\d % off\): R0 and X_inf are the lowest/,
  )
})

t.test('what is to be known of points', async (t) => {
  const points = [
    point(1, 100),
    point(4, 98, { unsteady: 'it changes by 12.0 % meanwhile, at most 10.0 %' }),
    point(16, 100, { latency: 0.2 }),
    point(1, 88),
  ]
  t.strictSame(capacityOf('random-read', points).notes, [
    'not steady at depth 4: it changes by 12.0 % meanwhile, at most 10.0 %',
    "at depth 16 fio's mean latency is 25.0 % off depth / rate",
    'depth 1 came out -12.0 % off when it was measured again at the end',
  ])
})

t.test("fio's search agrees with the line, or does not", async (t) => {
  const { capacity } = capacityOf('random-read', [point(1, 100), point(16, 100)])
  const found = (depth: number, operationsPerSecond: number) =>
    searchNotes(capacity, {
      targetLatency: 0.05,
      depth,
      operationsPerSecond,
      expectedPerSecond: expectedRate(capacity, depth),
    })
  t.strictSame(found(5, 99), [])
  t.strictSame(found(4, 97), [], 'one less is within what a whole number can say')
  t.strictSame(found(4, 70), [
    "fio's search kept the target with 4 at a time and 70.0/s, the line with 5 and 100.0/s",
  ])
  t.equal(found(2, 100).length, 1)
})

t.test('others on the device', async (t) => {
  const classes = [100, 40].map((rate) =>
    capacityOf('random-read', [point(1, rate), point(16, rate)]),
  )
  const result = { classes: classes.map((of) => ({ ...of, points: [] })) } as unknown
  const notes = (transactionsPerSecond: number) =>
    neighbourNotes({
      ...(result as CalibrationResult),
      others: { device: 'vda', transactionsPerSecond },
    })
  t.strictSame(notes(1.9), [])
  t.strictSame(notes(2.25), [
    'device vda did 2.3 transactions/s of others before it began: what was measured is what they left',
  ])
  t.strictSame(neighbourNotes(result as CalibrationResult), [])
})

t.test('deeper while it brings more', async (t) => {
  t.equal(nextDepth([point(16, 900), point(32, 1000)]), 64)
  t.equal(nextDepth([point(32, 900), point(64, 1000)]), 128)
  t.equal(nextDepth([point(64, 900), point(128, 1000)]), undefined, 'no deeper than that')
  t.equal(nextDepth([point(16, 990), point(32, 1000)]), undefined)
  t.equal(nextDepth([point(1, 1)]), undefined)
})

t.test('the rate is that of the last seconds', async (t) => {
  const output = {
    version: 'fio-3.33',
    bytes: 1,
    operationsPerSecond: 90,
    latency: 0.33,
    p99: 0.5,
    rates: [409_600, 401_408],
    steady: true,
    depth: 32,
  }
  const pattern = { rw: 'randread', blockBytes: 4096 } as const
  t.strictSame(pointOf(output, pattern, 32), {
    depth: 32,
    operationsPerSecond: 99,
    latency: 0.33,
    p99: 0.5,
  })
  t.match(pointOf({ ...output, rates: [] }, pattern, 32), {
    operationsPerSecond: 90,
    unsteady: 'nothing was measured',
  })
})
