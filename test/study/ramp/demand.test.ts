import t from 'tap'
import { mulberry32 } from '../../../src/lib/random.ts'
import { demandOf } from '../../../src/study/ramp/demand.ts'

t.test('mean and sigma are those of one vm', async (t) => {
  t.strictSame(demandOf([[0, 0.2, 0, 0.2]]), {
    mean: 0.1,
    sigma: Math.sqrt(0.04 / 3),
    correlation: 0,
  })
  const two = demandOf([
    [0, 0.2, 0, 0.2],
    [0.1, 0.3, 0.1, 0.3],
  ])
  t.equal(two?.mean.toFixed(6), '0.150000')
  t.equal(two?.sigma.toFixed(6), Math.sqrt(0.04 / 3).toFixed(6))
  t.equal(two?.correlation.toFixed(6), '1.000000', 'they rise and fall together')
  t.equal(demandOf([]), undefined)
  t.equal(demandOf([[0.1]]), undefined, 'one second tells no sigma')
  t.match(demandOf([[0, 0, 0]]), { mean: 0, sigma: 0, correlation: 0 })
})

t.test('a correlation that chance explains is none', async (t) => {
  const random = mulberry32(3)
  const independent = Array.from({ length: 4 }, () => Array.from({ length: 120 }, random))
  t.equal(demandOf(independent)?.correlation, 0)
  const shared = Array.from({ length: 120 }, random)
  const coupled = independent.map((one) => one.map((value, at) => value + shared[at]!))
  const { correlation } = demandOf(coupled)!
  t.ok(Math.abs(correlation - 0.5) < 0.1, `${correlation}`)
  t.equal(demandOf(independent.map((one, at) => one.map((v) => (at % 2 ? v : -v))))?.correlation, 0)
})
