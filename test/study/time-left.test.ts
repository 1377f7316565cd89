import t from 'tap'
import { secondsLeft } from '../../src/study/time-left.ts'

t.test('the time that is left', async (t) => {
  const times = new Map(
    Object.entries({ a: 15, b: 60, c: 30 }).map(([name, seconds]) => [
      name,
      { seconds, from: 'past runs' as const },
    ]),
  )
  const left = (due: string[], blocks = 0, pause = 0) =>
    secondsLeft({ due, block: ['a', 'b', 'c'], blocks, times, pause })
  t.equal(left([]), 0)
  t.equal(left(['a', 'b']), 75)
  t.equal(left(['a'], 2), 15 + 2 * (15 + 60 + 30))
  t.equal(left(['a', 'a', 'b'], 0, 5), 15 + 5 + 15 + 5 + 60, 'with the rests between')
  t.equal(left([], 0, 5), 0)
})
