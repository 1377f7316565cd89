import t from 'tap'
import {
  metTarget,
  quantile,
  type VmFigures,
  type VmSecond,
  vmFigures,
  worstOf,
} from '../../../src/study/ramp/verdict.ts'

const RULE = { window: 1, target: 0.05 }

/** Seconds with one operation each, of so many milliseconds; null has none. */
function seconds(...latencies: (number | null)[]): VmSecond[] {
  return latencies.map((ms) =>
    ms === null
      ? { length: 1, operations: 0, time: 0 }
      : { length: 1, operations: 1, time: ms / 1000 },
  )
}

t.test('a window meets the target by its mean, and without an operation it is none', async (t) => {
  t.match(vmFigures('a', seconds(50, 51, null, 10), RULE), {
    vm: 'a',
    windows: 3,
    met: 2 / 3,
    transactionsPerSecond: 0.75,
  })
  const two = [{ length: 1, operations: 2, time: 0.1 }]
  t.match(vmFigures('a', two, RULE), { met: 1, latency: 0.05 }, 'one may wait longer')
  const none = vmFigures('a', seconds(null, null), RULE)
  t.strictSame(none, { vm: 'a', windows: 0, met: 1, transactionsPerSecond: 0 })
  t.strictSame(vmFigures('a', [], RULE).transactionsPerSecond, 0)
})

t.test('longer windows hold several seconds, whole ones only', async (t) => {
  const all = seconds(90, 20, 90, 20, 90)
  t.match(vmFigures('a', all, { ...RULE, window: 2 }), { windows: 2, met: 0 })
  t.match(vmFigures('a', all, { ...RULE, window: 2, target: 0.06 }), { windows: 2, met: 1 })
  const short = all.map((second) => ({ ...second, length: 0.99 }))
  t.match(vmFigures('a', short, { ...RULE, window: 2 }), { windows: 2 })
})

t.test('the worst vm decides', async (t) => {
  const vm = (name: string, met: number, windows = 100): VmFigures => ({
    vm: name,
    windows,
    met,
    latency: 0.01,
    transactionsPerSecond: 4,
  })
  t.equal(metTarget([vm('a', 1), vm('b', 0.95)]), true)
  t.equal(metTarget([vm('a', 1), vm('b', 0.949)]), false)
  t.equal(worstOf([vm('a', 1), vm('b', 0.949), vm('c', 0.96)])?.vm, 'b')
  t.equal(worstOf([vm('a', 1), { ...vm('b', 1), latency: 0.02 }])?.vm, 'b')
  t.equal(metTarget([vm('a', 1), vm('b', 1, 0)]), false, 'one that was starved')
  t.equal(metTarget([vm('a', 1, 5), vm('b', 1, 0)]), true, 'one that had nothing to do yet')
  t.equal(metTarget([]), true)
})

t.test('quantiles of a histogram', async (t) => {
  const boundaries = [10e6, 20e6, 40e6]
  t.equal(quantile({ boundaries, bins: [0, 100, 0, 0] }, 0.5), 0.015)
  t.equal(quantile({ boundaries, bins: [98, 0, 2, 0] }, 0.99), 0.03)
  t.equal(quantile({ boundaries, bins: [0, 0, 0, 7] }, 0.99), 0.04, 'at least')
  t.equal(quantile({ boundaries, bins: [10, 0, 0, 0] }, 1), 0.01)
  t.equal(quantile({ boundaries, bins: [0, 0, 0, 0] }, 0.99), undefined)
})
