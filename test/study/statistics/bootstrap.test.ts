import fc from 'fast-check'
import { median } from 'simple-statistics'
import t from 'tap'
import { mulberry32 } from '../../../src/lib/random.ts'
import {
  bootstrapInterval,
  medianInterval,
  medianRatio,
  medianRatioInterval,
  relativeHalfWidth,
} from '../../../src/study/statistics/bootstrap.ts'

const seed = 4

t.test('the interval of a median is that of the exact bootstrap distribution', async (t) => {
  // Of seven values P(median of a draw ≤ the k-th) = P(Bin(7, k/7) ≥ 4): 0.010, 0.108, 0.347, 0.653, 0.892, 0.990, 1.
  t.strictSame(medianInterval([55, 30, 32, 47, 35, 40, 36], { seed }), { low: 32, high: 47 })
  // Of nine, likewise: 0.001, 0.030, 0.145, 0.366, 0.634, 0.855, 0.970, 0.999, 1.
  t.strictSame(medianInterval([1, 2, 4, 7, 11, 16, 22, 29, 37], { seed }), { low: 2, high: 29 })
  t.strictSame(
    medianInterval([1, 2, 4, 7, 11, 16, 22, 29, 37], { seed, level: 0.7 }),
    { low: 7, high: 16 },
    'a lower level gives a narrower one: 0.145 and 0.855 lie outside 0.15 and 0.85',
  )
})

t.test('the same seed gives the same interval', async (t) => {
  const values = [9.1, 8.7, 9.9, 10.2, 8.8, 9.4, 9.6, 9.2]
  const mean = (drawn: readonly number[]) => drawn.reduce((a, b) => a + b, 0) / drawn.length
  t.strictSame(bootstrapInterval(values, mean, { seed }), bootstrapInterval(values, mean, { seed }))
  t.notSame(
    bootstrapInterval(values, mean, { seed }),
    bootstrapInterval(values, mean, { seed: seed + 1 }),
  )
})

t.test('five blocks give none, six do', async (t) => {
  t.equal(medianInterval([1, 2, 3, 4, 5], { seed }), undefined)
  t.ok(medianInterval([1, 2, 3, 4, 5, 6], { seed }))
})

t.test('it covers the true median about as often as it says', async (t) => {
  const random = mulberry32(11)
  const exponential = () => -Math.log(1 - random())
  const truth = Math.LN2
  const options = { resamples: 400 }
  let covered = 0
  const studies = 400
  for (let study = 0; study < studies; study++) {
    const values = Array.from({ length: 15 }, exponential)
    const { low, high } = medianInterval(values, { seed: study, ...options })!
    if (low <= truth && truth <= high) covered++
  }
  // The exact interval of this kind of 15 values covers 96.5 % (order statistics 4 and 12) or 88.2 % (5 and 11).
  t.ok(covered / studies > 0.9 && covered / studies < 0.985, `${covered} of ${studies}`)
})

t.test('a ratio of medians cancels what slows a block as a whole', async (t) => {
  const slow = [1, 3, 1.5, 8, 2, 5, 1.2, 6]
  const pairs = slow.map((factor) => ({ value: 2.1 * factor, reference: factor }))
  t.ok(Math.abs(medianRatio(pairs) - 2.1) < 1e-12)
  const { low, high } = medianRatioInterval(pairs, { seed })!
  t.ok(Math.abs(low - 2.1) < 1e-12 && Math.abs(high - 2.1) < 1e-12, `${low} to ${high}`)
})

t.test('half of the width as a share of the estimate', async (t) => {
  t.equal(relativeHalfWidth({ low: 9, high: 11 }, 10), 0.1)
})

t.test('for any values', async () => {
  const values = fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), {
    minLength: 6,
    maxLength: 20,
  })
  fc.assert(
    fc.property(values, fc.integer(), (values, seed) => {
      const { low, high } = medianInterval(values, { seed, resamples: 100 })!
      const [least, most] = [Math.min(...values), Math.max(...values)]
      const [wide] = [medianInterval(values, { seed, resamples: 100, level: 0.999 })!]
      return (
        least <= low &&
        low <= high &&
        high <= most &&
        wide.low <= low &&
        high <= wide.high &&
        median(values) >= least
      )
    }),
    { numRuns: 50 },
  )
})
