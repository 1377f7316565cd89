import t from 'tap'
import type { DriveCounts, SecondRates } from '../../../src/study/context.ts'
import type { DeviceCounts } from '../../../src/study/device-counts.ts'
import { deviceFigures, StepRecorder } from '../../../src/study/ramp/recorder.ts'

const RULE = { window: 1, target: 0.05 }
const BOUNDARIES = [10e6, 20e6]

/** Counters of a drive: reads and writes with what they took, and flushes that took so many milliseconds. */
function drive(id: string, writes: number, ms: number, flushMs = 0): DriveCounts {
  const none = { operations: 0, nanoseconds: 0 }
  const histogram = { boundaries: BOUNDARIES, bins: [0, writes, 0] }
  return {
    id,
    read: none,
    write: { operations: writes, nanoseconds: ms * 1e6, histogram },
    flush: { operations: 1, nanoseconds: flushMs * 1e6 },
  }
}

function second(drives: Record<string, DriveCounts[]>, more: Partial<SecondRates> = {}) {
  const rates = { devices: new Map(), vms: new Map(), seconds: 1 }
  return { ...rates, drives: new Map(Object.entries(drives)), ...more }
}

const vms = [
  { name: 'a', drives: ['drive-root'] },
  { name: 'b', drives: ['drive-root'] },
]

t.test('what vms did, from one reading to the next', async (t) => {
  const recorder = new StepRecorder('slow', vms)
  recorder.take(second({ a: [drive('drive-root', 100, 5000)], b: [drive('drive-root', 0, 0)] }))
  recorder.take(second({ a: [drive('drive-root', 104, 5060)], b: [drive('drive-root', 0, 0)] }))
  recorder.take(second({ a: [drive('drive-root', 108, 5460)], b: [drive('drive-root', 2, 20)] }))
  const [a, b] = recorder.figures(RULE).vms
  t.match(a, { vm: 'a', windows: 2, met: 0.5, transactionsPerSecond: 4 })
  t.equal(a?.latency?.toFixed(6), (0.46 / 8).toFixed(6))
  t.match(b, { vm: 'b', windows: 1, met: 1, latency: 0.01, transactionsPerSecond: 1 })
  t.equal(a?.p99?.toFixed(4), '0.0199', 'from the histogram: 8 of 10 to 20 ms')
  t.equal(recorder.queue(1).toFixed(6), '0.420000')
  t.equal(recorder.queue(2).toFixed(6), '0.240000')
})

t.test('only drives on the tier count, and a flush is part of a write', async (t) => {
  const recorder = new StepRecorder('slow', [{ name: 'a', drives: ['drive-root'] }])
  recorder.take(second({ a: [drive('drive-root', 0, 0), drive('drive-other', 0, 0)] }))
  recorder.take(second({ a: [drive('drive-root', 2, 20, 40), drive('drive-other', 9, 9000)] }))
  t.match(recorder.figures(RULE).vms, [{ windows: 1, latency: 0.03, transactionsPerSecond: 2 }])
})

t.test(
  'a vm that does not answer has a longer second, and one that began again a new count',
  async (t) => {
    const recorder = new StepRecorder('slow', [{ name: 'a', drives: ['drive-root'] }])
    recorder.take(second({ a: [drive('drive-root', 0, 0)] }))
    recorder.take(second({}))
    recorder.take(second({ a: [drive('drive-root', 8, 80)] }))
    t.match(recorder.figures(RULE).vms, [{ windows: 1, transactionsPerSecond: 4 }])
    recorder.take(second({ a: [drive('drive-root', 1, 999)] }))
    recorder.take(second({ a: [drive('drive-root', 3, 1019)] }))
    const [a] = recorder.figures(RULE).vms
    t.match(a, { windows: 2, met: 1 })
    t.equal(a?.latency?.toFixed(6), '0.010000')
    t.equal(a?.p99?.toFixed(4), '0.0199', 'of all ten')
  },
)

t.test('demand and processors', async (t) => {
  const recorder = new StepRecorder('slow', vms)
  const asked = (a: number, b: number | undefined) => [
    { vm: 'a', tier: 'slow', seconds: a },
    { vm: 'a', tier: 'other', seconds: 9 },
    ...(b === undefined ? [] : [{ vm: 'b', tier: 'slow', seconds: b }]),
  ]
  for (const [a, b] of [
    [0.1, 0.3],
    [0.3, 0.1],
    [5, undefined],
    [0.1, 0.3],
  ] as const)
    recorder.take(second({}, { demand: asked(a, b), busy: 0.5, stolen: 0.1 }))
  const { demand, cpu, seconds } = recorder.figures(RULE)
  t.equal(seconds, 4)
  t.strictSame(cpu, { busy: 0.5, stolen: 0.1 })
  t.equal(demand?.mean.toFixed(3), ((0.5 / 3 + 0.7 / 3) / 2).toFixed(3), 'of whole seconds')
  t.equal(demand?.correlation, 0, 'they take turns')
  const none = new StepRecorder('slow', vms).figures(RULE)
  t.notOk('demand' in none)
  t.notOk('cpu' in none)
})

t.test('what the device did', async (t) => {
  const counts = (reads: number, writes: number, took: number, queued: number): DeviceCounts => ({
    device: 'loop3',
    number: '7:3',
    reads,
    readBytes: 0,
    writes,
    writtenBytes: 0,
    operationSeconds: took,
    queueSeconds: queued,
  })
  const [before, after] = [[counts(5, 10, 1, 2)], [counts(7, 18, 1.5, 7)]]
  t.strictSame(deviceFigures('loop3', before, after, 10), {
    device: 'loop3',
    transactionsPerSecond: 1,
    latency: 0.05,
    queue: 0.5,
  })
  const idle = deviceFigures('loop3', before, before, 10)
  t.strictSame(idle, { device: 'loop3', transactionsPerSecond: 0, queue: 0 })
  t.equal(deviceFigures('sda', before, after, 10), undefined)
  t.equal(deviceFigures(undefined, before, after, 10), undefined)
})
