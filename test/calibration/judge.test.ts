import t from 'tap'
import type { ClassResult } from '../../src/study/calibration/records.ts'
import { judge } from './judge.ts'

function found(baseLatency: number, peak: number, searched = 100): ClassResult {
  return {
    capacity: { class: 'random-read', baseLatency, peak, residual: 0 },
    points: [],
    notes: [],
    search: {
      targetLatency: 0.05,
      depth: 5,
      operationsPerSecond: searched,
      expectedPerSecond: 100,
    },
  }
}

t.test('R0 is held against nominal, unless the disk itself is slower', async (t) => {
  const judged = (result: ClassResult, nominal: number, alone: number) => {
    const { against, problems } = judge(result, { nominal, alone })
    return [against, ...problems]
  }
  t.strictSame(judged(found(0.0104, 97), 0.01, 0.0104), ['nominal'])
  t.strictSame(judged(found(0.0108, 97), 0.01, 0.0104), [
    'nominal',
    'random-read: R0 against nominal is +8.0 % off, at most +5.0 %',
  ])
  t.strictSame(judged(found(0.0108, 97), 0.01, 0.0107), ['depth 1'])
  t.strictSame(judged(found(0.0055, 195), 0.005, 0.0051), [
    'depth 1',
    'random-read: R0 against depth 1 is +7.8 % off, at most +5.0 %',
  ])
  t.strictSame(judged(found(0.01, 94), 0.01, 0.01), [
    'nominal',
    'random-read: X_inf is −6.0 % off, at most +5.0 %',
  ])
  t.strictSame(judged(found(0.01, 100, 80), 0.01, 0.01), [
    'nominal',
    "random-read: fio's search is −20.0 % off, at most +15.0 %",
  ])
  const { search: _, ...without } = found(0.01, 100)
  t.strictSame(judged(without, 0.01, 0.01), ['nominal', 'random-read: there is no search'])
})
