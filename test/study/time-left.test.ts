import t from 'tap'
import { secondsLeft } from '../../src/study/time-left.ts'

t.test('the time that is left', async (t) => {
  const past = [
    { case: 'a', seconds: 10 },
    { case: 'a', seconds: 20 },
    { case: 'b', seconds: 60 },
  ]
  const block = ['a', 'b', 'c']
  const left = (due: string[], blocks = 0, known = past, pause = 0) =>
    secondsLeft({ due, block, blocks, past: known, pause })
  t.equal(left(['a'], 0, []), undefined, 'while nothing has run')
  t.equal(left([]), 0)
  t.equal(left(['a', 'b']), 75)
  t.equal(left(['c']), 30, 'a case that is new takes as long as the others')
  t.equal(left(['a'], 2), 15 + 2 * (15 + 60 + 30))
  t.equal(left(['a', 'a', 'b'], 0, past, 5), 15 + 5 + 15 + 5 + 60, 'with the rests between')
  t.equal(left([], 0, past, 5), 0)
})
