import t from 'tap'
import {
  blockValues,
  compareAll,
  pairedValues,
  rankTests,
} from '../../../src/study/report/compare.ts'
import { falsePositives, positiveControl } from '../../../src/study/report/controls.ts'
import { measure } from '../../../src/study/report/measures.ts'
import { constructedCase, constructedStudy, noise } from './constructed-study.ts'

const load = measure('load')
const NAMES = ['a', 'b', 'c']
const CASES = NAMES.map((name) => constructedCase(name))

t.test('an A/A study: the rule finds differences in no more than it says', async (t) => {
  const random = noise(5, 0.1)
  // Blocks that differ by half, as hosts do from hour to hour.
  const study = constructedStudy('aa', CASES, 8, (_, block) => 10 * (1 + block / 16) * random())
  const values = blockValues(study.runs, load)
  const result = falsePositives(values, NAMES, load, { seed: 3 })
  t.equal(result.permutations, 1000)
  t.ok(Math.abs(result.limit - 0.0638) < 1e-4, 'five of a hundred and two standard errors')
  t.ok(result.holds, `${result.found} of 1000`)
  t.strictSame(falsePositives(values, NAMES, load, { seed: 3 }), result, 'the seed decides')
})

t.test('a rule that looked at p alone, for each pair by itself, would be caught', async (t) => {
  // Six cases against one, each at 0.05 without a correction: about one study in five has a finding.
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
  const random = noise(9, 0.1)
  const cases = names.map((name) => constructedCase(name))
  const values = blockValues(constructedStudy('aa', cases, 10, () => 10 * random()).runs, load)
  const corrected = falsePositives(values, names, load, { seed: 3, permutations: 400 })
  t.ok(corrected.holds, `${corrected.found} of 400`)
  let uncorrected = 0
  for (let seed = 0; seed < 400; seed++) {
    const fresh = noise(1000 + seed, 0.1)
    const study = constructedStudy('aa', cases, 10, () => 10 * fresh())
    const fromBlocks = blockValues(study.runs, load)
    const each = rankTests(names.slice(1).map((name) => pairedValues(fromBlocks, name, 'a')))
    if (each.some(({ p }) => p! < 0.05)) uncorrected++
  }
  t.ok(uncorrected / 400 > corrected.limit, `${uncorrected} of 400 without`)
})

t.test('one case is no study', async (t) => {
  t.throws(() => falsePositives(new Map(), ['a'], load, { seed: 1 }), {
    message: 'falsePositives: expected two cases or more, got a',
  })
})

t.test('a positive control is found with its ratio', async (t) => {
  const random = noise(2, 0.04)
  const study = constructedStudy('tiers', CASES, 8, (name) => (name === 'a' ? 20 : 10) * random())
  const [held] = compareAll([['b', 'a']], blockValues(study.runs, load), load, 1)
  t.match(positiveControl(held!, 2), { found: true, holds: true, expected: 2 })
  t.match(positiveControl(held!, 2.5), { found: true, holds: false }, 'a wrong ratio is not')
  const [same] = compareAll([['c', 'b']], blockValues(study.runs, load), load, 1)
  t.match(positiveControl(same!, 2), { found: false, holds: false })
})
