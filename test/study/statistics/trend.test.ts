import t from 'tap'
import { mulberry32 } from '../../../src/lib/random.ts'
import { hasTrend } from '../../../src/study/statistics/trend.ts'

t.test('a trend is more than chance explains', async (t) => {
  t.equal(hasTrend([1, 2, 3, 4]), undefined, 'too few')
  t.equal(hasTrend([1, 2, 3, 4, 5]), true)
  t.equal(hasTrend([5, 4.1, 3, 2, 1]), true)
  t.equal(hasTrend([9, 1, 2, 3, 4, 5]), true, 'the last five')
  t.equal(hasTrend([3, 1, 4, 1, 5]), false)
  t.equal(hasTrend([2, 2, 2, 2, 2]), false)
  t.equal(hasTrend([100, 101, 102, 103, 104]), false, 'straight, and too little')
  t.equal(hasTrend([0, 0, 0, 0, 0]), false)
})

t.test('of rounds that go nowhere few have one', async (t) => {
  const random = mulberry32(5)
  const rounds = () => Array.from({ length: 5 }, () => 10 + random() + random() + random())
  const found = Array.from({ length: 2000 }, rounds).filter((one) => hasTrend(one)).length
  t.ok(found / 2000 < 0.06, `${found} of 2000`)
})
