import t from 'tap'
import { type LiveVm, liveDemands } from '../../src/cli/live-vms.ts'
import { pooled } from '../../src/density/pooled.ts'

const vm = (name: string, guest: string, samples: readonly number[], tier = 'disk'): LiveVm => {
  const seconds = samples.reduce((sum, value) => sum + value, 0)
  const squaredSeconds = samples.reduce((sum, value) => sum + value ** 2, 0)
  const moments = { samples: samples.length, seconds, squaredSeconds }
  return {
    ...{ name, guest, tiers: [tier], imageBytes: {} },
    demand: [{ tier, basis: 'operations', moments }],
  }
}

t.test('what vms that run ask of a tier', async (t) => {
  const vms = [
    vm('a', 'student', [0, 0.2, 0, 0.2]),
    vm('b', 'student', [0.3, 0.3]),
    vm('c', 'student', [9, 9], 'other'),
    vm('d', 'teacher', [9, 9]),
    vm('e', 'student', [9]),
  ]
  const seen = liveDemands(vms, 'student', 'disk')
  t.strictSame(
    seen.map(({ seconds }) => seconds),
    [4, 2],
  )
  const { mean, sigma, correlation } = pooled(seen)!
  t.ok(Math.abs(mean - 1 / 6) < 1e-12, String(mean))
  t.ok(Math.abs(sigma - Math.sqrt(0.26 / 6 - 1 / 36)) < 1e-12, String(sigma))
  t.equal(correlation, 0)
  t.strictSame(liveDemands([], 'student', 'disk'), [])
})
