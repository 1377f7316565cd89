import { ok } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { mean, windowMeans } from '../../src/study/load-window.ts'

const table: [what: string, perSecond: number[], length: number, expected: unknown][] = [
  ['no sample', [], 10, undefined],
  ['fewer than the window', [4, 8], 10, { low: 6, high: 6, seconds: 2 }],
  ['just the window', [1, 2, 3], 3, { low: 2, high: 2, seconds: 3 }],
  ['a dip and a peak', [10, 10, 0, 20, 30], 2, { low: 5, high: 25, seconds: 2 }],
  ['a window of one', [3, 1, 2], 1, { low: 1, high: 3, seconds: 1 }],
]
for (const [what, perSecond, length, expected] of table) {
  t.test(what, async (t) => t.strictSame(windowMeans(perSecond, length), expected))
}

t.test('the mean of all lies between', async () => {
  const rate = fc.nat(100_000)
  fc.assert(
    // A multiple of the window, so that whole windows make up the whole.
    fc.property(fc.array(rate, { minLength: 1, maxLength: 20 }), fc.nat(4), (some, times) => {
      const all = Array.from({ length: times + 1 }, () => some).flat()
      const { low, high } = windowMeans(all, some.length)!
      ok(low <= mean(all) + 1e-6 && mean(all) <= high + 1e-6)
      ok(low >= Math.min(...all) && high <= Math.max(...all))
    }),
  )
})
