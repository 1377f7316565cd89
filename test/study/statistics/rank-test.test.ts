import fc from 'fast-check'
import t from 'tap'
import { cliffsDelta } from '../../../src/study/statistics/effect.ts'
import { holm, mannWhitney } from '../../../src/study/statistics/rank-test.ts'

/** 0, 2, 4 and so on, from `first`. */
const steps = (count: number, first = 0) => Array.from({ length: count }, (_, i) => first + 2 * i)

t.test("Mann and Whitney's test: published examples and SciPy's figures", async (t) => {
  const rows: [what: string, first: number[], second: number[], u: number, p: number][] = [
    [
      // R's ?wilcox.test: W = 35, and 0.1272 one-sided.
      'Hollander and Wolfe (1973), page 69: permeability of the placenta',
      [0.8, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46],
      [1.15, 0.88, 0.9, 0.74, 1.21],
      35,
      0.2544122544122544,
    ],
    [
      'SciPy 1.17.1, mannwhitneyu, exact: apart',
      [98.1, 97.4, 99, 96.2, 98.8, 97.7, 98.3, 97],
      [45.3, 46, 45.9, 44.8, 47.1, 45.5, 46.6, 45.1],
      64,
      0.0001554001554001554,
    ],
    ['SciPy, asymptotic: a tie', [3, 4, 2, 6, 2, 5], [9, 7, 5, 10, 6, 8], 2, 0.012591911490379705],
    [
      'SciPy, asymptotic: many ties',
      [1, 1, 2, 2, 3, 3, 3, 4, 5, 5, 6, 7],
      [2, 3, 3, 4, 4, 4, 5, 6, 7, 8, 8, 9],
      40.5,
      0.07086296420353365,
    ],
    ['SciPy, exact: 25 and 25', steps(25), steps(25, 7), 231, 0.11663881126432638],
    ['SciPy, asymptotic: 30 and 30', steps(30), steps(30, 7), 351, 0.14531912724086543],
    ['nothing but ties', [1, 1, 1], [1, 1], 3, 1],
  ]
  for (const [what, first, second, u, p] of rows) {
    const test = mannWhitney(first, second)
    t.equal(test.u, u, what)
    t.ok(Math.abs(test.p - p) < 1e-6, `${what}: p ${test.p}`)
  }
})

t.test('for any two samples', async () => {
  const sample = fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 15 })
  fc.assert(
    fc.property(sample, sample, (first, second) => {
      const [one, other] = [mannWhitney(first, second), mannWhitney(second, first)]
      const pairs = first.length * second.length
      return (
        one.u + other.u === pairs &&
        Math.abs(one.p - other.p) < 1e-12 &&
        one.p > 0 &&
        one.p <= 1 &&
        Math.abs(cliffsDelta(first, second) - (2 * one.u - pairs) / pairs) < 1e-12
      )
    }),
  )
})

t.test("Cliff's delta: the example of Macbeth, Razumiejczyk and Ledesma (2011)", async (t) => {
  const treatment = [10, 10, 20, 20, 20, 30, 30, 30, 40, 50]
  t.equal(cliffsDelta(treatment, [10, 20, 30, 40, 40, 50]), -0.25)
  t.throws(() => cliffsDelta([], [1]), {
    message: 'cliffsDelta: expected two samples with values, got 0 and 1 values',
  })
})

t.test("Holm's correction", async (t) => {
  const close = (found: readonly number[], wanted: readonly number[]) =>
    t.ok(
      found.every((p, index) => Math.abs(p - wanted[index]!) < 1e-12),
      `[${found}]`,
    )
  // https://en.wikipedia.org/wiki/Holm-Bonferroni_method, example: the first and the last are found at 0.05.
  close(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
  close(holm([0.5, 0.9]), [1, 1])
  t.strictSame(holm([]), [])
})

t.test('a sample without values', async (t) => {
  t.throws(() => mannWhitney([1], []), {
    message: 'mannWhitney: expected two samples with values, got 1 and 0 values',
  })
})
