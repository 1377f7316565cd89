import t from 'tap'
import type { VmPlan } from '../../src/guest/plan.ts'
import type { OpenTier } from '../../src/storage/tiers.ts'
import { deviceLayer } from '../../src/study/device-counts.ts'
import {
  neighbourProblem,
  quietSeconds,
  quietWindow,
  sharedDevices,
  tierNamesOf,
} from '../../src/study/neighbours.ts'

const counts = (device: string, writes: number, more = {}) => ({
  device,
  number: '8:0',
  reads: 0,
  readBytes: 0,
  writes,
  writtenBytes: writes * 4096,
  ...more,
})

t.test('only devices that kvmio did not make are shared', async (t) => {
  const tiers: Record<string, unknown> = {
    local: { kind: 'directory', device: 'vda1' },
    other: { kind: 'directory', device: 'vda1' },
    group: { kind: 'volumeGroup', device: 'sdb' },
    made: { kind: 'filesystem', device: 'loop0' },
    whole: { kind: 'device', device: 'sdc' },
    tmpfs: { kind: 'directory' },
  }
  const tier = (name: string) => (tiers[name] ? ({ tier: tiers[name] } as OpenTier) : undefined)
  t.strictSame(sharedDevices([...Object.keys(tiers), 'gone'], tier), ['vda1', 'sdb'])
  const plan = { drives: [{ tier: 'a' }, { tier: 'b' }, { tier: 'a' }] } as VmPlan
  t.strictSame(tierNamesOf([plan, plan]), ['a', 'b'])
})

t.test('a quiet window gives the rate of those devices', async (t) => {
  const readings = [
    [counts('vda', 100), counts('sdb', 7)],
    [counts('vda', 130, { discards: 2 }), counts('sdb', 9)],
  ]
  const { signal } = new AbortController()
  const rates = await quietWindow(['vda', 'gone'], 0.2, async () => readings.shift()!, signal)
  t.strictSame(Object.keys(rates), ['vda'])
  t.ok(rates.vda! > 32 / 2 && rates.vda! <= 32 / 0.2, `${rates.vda} of 32 in at least 0.2 s`)
  const never = async () => t.fail('nothing is read')
  t.strictSame(await quietWindow([], 5, never as never, signal), {})
  t.strictSame(await quietWindow(['vda'], 0, never as never, signal), {})
  t.equal(quietSeconds({ pause: 2 }), 2, 'within the rest')
  t.equal(quietSeconds({ pause: 60 }), 5)
  t.equal(quietSeconds({ pause: 0, neighbours: 0.05 }), 5)
})

t.test('a run is void when others did too much beside it', async (t) => {
  const problem = (before?: number, after?: number, load: number | undefined = 100) =>
    neighbourProblem([{ device: 'vda', before, after, load, unattributed: 999 }], 0.05)
  t.equal(problem(5, 3), undefined)
  t.equal(problem(), undefined, 'nobody looked')
  t.equal(problem(50, 50, 0), undefined, 'of a run that did nothing there is no share')
  t.equal(
    problem(3, 7.5),
    "neighbours: device vda did 7.5 transactions/s after the run, 7.5 % of the 100.0/s in it; at most 5 % may be others'",
  )
  t.match(problem(12, 7), 'did 12.0 transactions/s before the run, 12 %')
})

t.test('what a device did between two readings', async (t) => {
  const before = [counts('vda', 10, { flushes: 1 }), counts('vdb', 10), counts('gone', 1)]
  const after = [
    counts('vda', 15, { flushes: 4 }),
    counts('vdb', 3),
    counts('new', 9),
    counts('gone', 2, { number: '8:16' }),
  ]
  t.strictSame(JSON.parse(JSON.stringify(deviceLayer(before, after))), [
    {
      layer: 'device',
      name: 'vda',
      reads: 0,
      readBytes: 0,
      writes: 5,
      writtenBytes: 5 * 4096,
      flushes: 3,
    },
  ])
  const partition = [counts('vda1', 10, { flushes: 0 })]
  t.equal(deviceLayer(partition, partition)[0]?.flushes, undefined, 'a partition counts none')
})
