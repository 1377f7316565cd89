import t from 'tap'
import { driftProblem } from '../../src/study/drift.ts'

t.test('a block drifts when its reference runs lie too far apart', async (t) => {
  const drift = (values: number[], limit = 0.05) => driftProblem('ide', values, limit)
  t.equal(drift([]), undefined)
  t.equal(drift([10]), undefined, 'one cannot lie apart')
  t.equal(drift([10, 10.2, 10.4]), undefined)
  t.equal(drift([10, 10.5]), undefined, '0.5 of 10.25')
  t.equal(
    drift([10, 10.2, 10.6]),
    'the reference case ide drifted: 10, 10.2, 10.6, which lie 5.9 % apart; at most 5 %',
  )
  t.match(drift([10.6, 10, 10.2]), 'drifted: 10.6, 10, 10.2,', 'in the order of time')
  t.match(drift([10, 11]), '9.5 % apart', 'of the median of two')
  t.equal(drift([10, 11], 0.1), undefined)
  t.equal(drift([0, 0, 0]), undefined)
})
