import t from 'tap'
import { outlierFlags } from '../../../src/study/statistics/outliers.ts'
import { steadyState } from '../../../src/study/statistics/steady-state.ts'

t.test('outliers are flagged', async (t) => {
  const rows: [what: string, values: number[], flags: boolean[]][] = [
    [
      'one far off',
      [2.1, 2, 2.2, 2.1, 1.9, 2, 9],
      [false, false, false, false, false, false, true],
    ],
    // 0.6745 · (2.7 − 2.1) / 0.1 = 4.05, and of 2.6 3.37: just beyond 3.5 and just within.
    ['beyond the limit', [2, 2, 2.1, 2.2, 2.7], [false, false, false, false, true]],
    ['within the limit', [2, 2, 2.1, 2.2, 2.6], [false, false, false, false, false]],
    ['no scale', [3, 3, 3, 3, 8], [false, false, false, false, false]],
    ['none', [], []],
  ]
  for (const [what, values, flags] of rows) t.strictSame(outlierFlags(values), flags, what)
})

t.test('a steady state has two parts', async (t) => {
  const rows: [what: string, rounds: number[], steady: boolean | undefined][] = [
    ['flat', [100, 101, 99, 100, 100], true],
    ['before it only the last five count', [10, 20, 100, 101, 99, 100, 100], true],
    ['one of them 25 % off: too wide, though flat', [100, 100, 125, 100, 100], false],
    ['a slope within the range: 12 % in all', [94, 97, 100, 103, 106], false],
    ['8 % in all', [96, 98, 100, 102, 104], true],
    ['four rounds', [100, 100, 100, 100], undefined],
    ['nothing done', [0, 0, 0, 0, 0], undefined],
  ]
  for (const [what, rounds, steady] of rows) t.equal(steadyState(rounds)?.steady, steady, what)
  const { range, drift } = steadyState([94, 97, 100, 103, 106])!
  t.ok(Math.abs(range - 0.12) < 1e-12 && Math.abs(drift - 0.12) < 1e-12)
})
