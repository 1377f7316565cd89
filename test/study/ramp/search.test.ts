import fc from 'fast-check'
import t from 'tap'
import {
  densityOf,
  leastMissed,
  nextVms,
  type Order,
  orderOf,
  type Search,
  type Tried,
} from '../../../src/study/ramp/search.ts'

/** All steps of a repetition on a tier that fits so many vms. */
function climb(search: Search, fits: number): Tried[] {
  const tried: Tried[] = []
  for (let vms = nextVms(search, tried); vms !== undefined; vms = nextVms(search, tried)) {
    tried.push({ vms, met: vms <= fits })
    if (tried.length > 200) throw new Error('it has no end')
  }
  return tried
}

const rising = { order: 'rising', max: 64, seed: 1 } as const
const vmsOf = (tried: Tried[]) => tried.map(({ vms }) => vms)

t.test('the first repetition doubles until the target is broken, then it bisects', async (t) => {
  t.strictSame(vmsOf(climb(rising, 13)), [1, 2, 4, 8, 16, 12, 14, 13])
  t.strictSame(vmsOf(climb(rising, 0)), [1])
  t.strictSame(vmsOf(climb(rising, 1)), [1, 2])
  t.strictSame(vmsOf(climb({ ...rising, max: 6 }, 100)), [1, 2, 4, 6], 'no further than allowed')
  t.strictSame(vmsOf(climb({ ...rising, max: 0 }, 100)), [])
})

t.test('a falling one begins where an earlier one broke', async (t) => {
  const falling = { ...rising, order: 'falling', ceiling: 14 } as const
  t.strictSame(vmsOf(climb(falling, 13)), [14, 7, 10, 12, 13])
  t.strictSame(vmsOf(climb(falling, 20)), [14, 28, 21, 17, 19, 20], 'and rises from there')
  t.strictSame(vmsOf(climb({ ...falling, ceiling: undefined }, 2)), [1, 2, 4, 3])
})

t.test(
  'the order is the same again for the same seed, and not the same in each repetition',
  (t) => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const orders = [1, 2, 3].map((repetition) => orderOf(repetition, seed))
        return orders[0] === 'rising' && new Set(orders).size === 3
      }),
    )
    const random = { ...rising, order: 'random', ceiling: 30, seed: 7 } as const
    t.strictSame(climb(random, 11), climb(random, 11))
    t.notSame(climb(random, 11), climb({ ...random, seed: 8 }, 11))
    t.end()
  },
)

t.test('whatever the order, it finds what the tier fits', (t) => {
  const search = fc.record({
    order: fc.constantFrom<Order>('rising', 'falling', 'random'),
    max: fc.integer({ min: 0, max: 300 }),
    ceiling: fc.option(fc.integer({ min: 1, max: 300 }), { nil: undefined }),
    seed: fc.integer(),
  })
  fc.assert(
    fc.property(search, fc.integer({ min: 0, max: 400 }), (search, fits) => {
      const tried = climb(search, fits)
      const asked = vmsOf(tried)
      const density = Math.min(fits, search.max)
      return (
        densityOf(tried) === density &&
        new Set(asked).size === asked.length &&
        asked.every((vms) => vms >= 1 && vms <= search.max) &&
        (density === search.max || leastMissed(tried) === density + 1)
      )
    }),
  )
  t.end()
})

t.test('a rising one never has more than twice as many vms as have met the target', (t) => {
  const case_ = fc.tuple(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 0, max: 400 }))
  fc.assert(
    fc.property(case_, ([max, fits]) => {
      const tried = climb({ ...rising, max }, fits)
      return tried.every(
        ({ vms }, at) =>
          vms <= Math.max(1, 2 * densityOf(tried.slice(0, at))) && vms <= 2 * fits + 1,
      )
    }),
  )
  t.end()
})
