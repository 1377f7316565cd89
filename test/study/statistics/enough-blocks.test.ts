import t from 'tap'
import { enoughBlocks, valuesByCase } from '../../../src/study/statistics/enough-blocks.ts'

const RULE = { min: 6, max: 30, width: 0.05 }
const NARROW = [100, 101, 99, 100, 102, 98, 100, 101]
// Half the width of the interval of 20 values between 60 and 140 is more than a tenth of their median.
const WIDE = Array.from({ length: 20 }, (_, index) => 60 + index * 4)

const enough = (blocks: number, values: Record<string, number[]>, rule = RULE) =>
  enoughBlocks(rule, blocks, new Map(Object.entries(values)), 7)

t.test('never before min, and not after max', async (t) => {
  t.equal(enough(5, { a: NARROW }), false)
  t.equal(enough(6, { a: NARROW }), true)
  t.equal(enough(29, { a: WIDE }), false)
  t.equal(enough(30, { a: WIDE }), true)
})

t.test('every case has to be narrow', async (t) => {
  t.equal(enough(8, { a: NARROW, b: WIDE }), false)
  t.equal(enough(8, { a: NARROW, b: WIDE.map((value) => 1000 + value) }), true)
  t.equal(enough(8, { a: NARROW, b: WIDE }, { ...RULE, width: 0.5 }), true)
})

t.test(
  'a case with fewer values than an interval takes is waited for, one that never passed is not',
  async (t) => {
    t.equal(enough(8, { a: NARROW, b: [1, 1, 1, 1, 1] }), false)
    t.equal(enough(8, { a: NARROW, b: [1, 1, 1, 1, 1, 1] }), true)
    t.equal(enough(8, { a: NARROW, b: [] }), true)
  },
)

t.test('a median of 0 that never varied is narrow', async (t) => {
  t.equal(enough(6, { a: [0, 0, 0, 0, 0, 0] }), true)
})

t.test('a fixed number', async (t) => {
  const fixed = { min: 3, max: 3 }
  t.equal(enoughBlocks(fixed, 2, new Map(), 7), false)
  t.equal(enoughBlocks(fixed, 3, new Map([['a', WIDE]]), 7), true)
  t.equal(enoughBlocks({ min: 3, max: 9 }, 3, new Map([['a', WIDE]]), 7), true)
})

t.test('a case that ran several times in a block has the median of them', async (t) => {
  const run = (name: string, block: number, value: number) => ({ case: name, block, value })
  t.strictSame(
    valuesByCase([
      run('ref', 1, 10),
      run('a', 1, 5),
      run('ref', 1, 30),
      run('ref', 1, 11),
      run('ref', 2, 12),
      run('ref', 2, 14),
    ]),
    new Map([
      ['ref', [11, 13]],
      ['a', [5]],
    ]),
  )
})
