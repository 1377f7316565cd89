import t from 'tap'
import { driveProblems } from '../../src/config/drive-rules.ts'
import {
  AIOS,
  BUSES,
  CACHES,
  DETECT_ZEROES,
  PREALLOCATIONS,
} from '../../src/config/drive-schema.ts'
import { drive } from '../study/configs.ts'
import { pairsOf, pairwise } from './cases.ts'

const cases = pairwise(['ext4', 'xfs'])

t.test('every value is there, and none that qemu would refuse', async (t) => {
  const values = (key: 'bus' | 'cache' | 'aio' | 'preallocation' | 'detectZeroes') =>
    new Set(cases.map((point) => drive(point.drive)[key]))
  t.strictSame(values('bus'), new Set(BUSES))
  t.strictSame(values('cache'), new Set(CACHES))
  t.strictSame(values('aio'), new Set(AIOS))
  t.strictSame(values('preallocation'), new Set(PREALLOCATIONS))
  t.strictSame(values('detectZeroes'), new Set(DETECT_ZEROES))
  for (const point of cases) t.strictSame(driveProblems(drive(point.drive)), [])
})

t.test('every pair that can be, and a tenth of a percent of the product', async (t) => {
  const pairs = new Set(cases.flatMap(({ words }) => pairsOf(words)))
  for (const pair of [
    'bus=ide, cache=unsafe',
    'filesystem=xfs, image=qcow2-chain',
    'cache=none, aio=native',
  ]) {
    t.ok(pairs.has(pair), pair)
  }
  t.notOk(pairs.has('cache=unsafe, aio=native'))
  t.notOk(pairs.has('bus=ide, service=iothread'))
  t.ok(cases.length < 90, `${cases.length} cases`)
})
