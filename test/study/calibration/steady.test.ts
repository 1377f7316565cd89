import fc from 'fast-check'
import t from 'tap'
import { unsteadiness } from '../../../src/study/calibration/steady.ts'

t.test('what is steady and what is not', async (t) => {
  const cases: [rates: number[], reason: string | undefined][] = [
    [[100, 100, 100, 100, 100], undefined],
    [[98, 101, 97, 103, 100], undefined],
    [[90, 100, 110, 100, 100], undefined],
    [[89, 100, 111, 100, 100], 'its seconds lie 22.0 % apart, at most 20.0 %'],
    [[94, 97, 100, 103, 106], 'it changes by 12.0 % meanwhile, at most 10.0 %'],
    [[106, 103, 100, 97, 94], 'it changes by 12.0 % meanwhile, at most 10.0 %'],
    [[94, 106], undefined],
    [[80, 120], 'its seconds lie 40.0 % apart, at most 20.0 %'],
    [[100], 'nothing was measured'],
    [[], 'nothing was measured'],
    [[0, 0, 0], 'nothing was measured'],
  ]
  for (const [rates, reason] of cases) t.equal(unsteadiness(rates), reason, `${rates}`)
})

t.test('the unit of a rate does not matter', async () => {
  const rates = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 3, maxLength: 10 })
  fc.assert(
    fc.property(
      rates,
      (rates) => unsteadiness(rates) === unsteadiness(rates.map((rate) => rate * 4096)),
    ),
  )
})
