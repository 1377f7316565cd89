import t from 'tap'
import type { TierConfig } from '../../src/config/schema.ts'
import type { WorkloadConfig } from '../../src/config/workload-schema.ts'
import { blockSeconds, expectedTimes } from '../../src/study/expected-time.ts'
import { planCases } from '../../src/study/plan.ts'
import { guest, study } from './configs.ts'

const FACTORS = { 'drives.root.bus': ['ide', 'sata', 'scsi'] }
const cases = planCases(study({ factors: FACTORS }), guest())
const past = (name: string, ...seconds: number[]) =>
  seconds.map((seconds) => ({ case: name, seconds }))

t.test('a case takes what it took, another what the others took', async (t) => {
  const runs = [...past('ide', 10, 20), ...past('sata', 60)]
  t.strictSame(
    [...expectedTimes(cases, runs, {})],
    [
      ['ide', { seconds: 15, from: 'past runs' }],
      ['sata', { seconds: 60, from: 'past runs' }],
      ['scsi', { seconds: 30, from: 'other cases' }],
    ],
  )
})

t.test('without runs there is a rule', async (t) => {
  const mib = 2 ** 20
  const seconds = (
    workload: WorkloadConfig,
    more: object = {},
    tier: Partial<TierConfig> = {},
    system: 'appliance' | 'debian' = 'appliance',
  ) => {
    const [point] = planCases(study({ workload, ...more }), guest({ system }))
    const times = expectedTimes([{ ...point!, skip: undefined }], [], { local: tier as TierConfig })
    t.equal(times.get('only')?.from, 'rule')
    return times.get('only')?.seconds
  }
  const write = {
    kind: 'boot-write-shutdown' as const,
    write: 60 * mib,
    blockSize: 64 * 1024,
    to: 'filesystem' as const,
    direct: false,
    settle: 10,
  }
  t.equal(seconds(write), 13 + 1 + 10)
  t.equal(seconds(write, { vms: 3, stagger: 4 }), 13 + 3 + 10 + 8)
  t.equal(seconds(write, {}, {}, 'debian'), 38 + 1 + 10)
  // 960 requests of 64 KiB, or 120 of 512 KiB, one after another in 10 ms.
  const emulate = { serviceTime: 0.01 }
  t.equal(seconds({ ...write, direct: true }, {}, { emulate }), 13 + 9.6 + 10)
  t.equal(seconds(write, {}, { emulate }), 13 + 1.2 + 10)
  t.equal(
    seconds({ ...write, direct: true }, {}, { emulate: { ...emulate, parallel: 4 } }),
    13 + 2.4 + 10,
  )
  t.equal(seconds(write, {}, { emulate: { bytesPerSecond: 6 * mib } }), 13 + 10 + 10)
  t.equal(seconds({ kind: 'idle', time: 30 }), 43)
  t.equal(seconds({ kind: 'install', packages: 'minimal' }), 13 + 60)
  t.equal(seconds({ kind: 'install', packages: ['apache2'] }), 13 + 540)
})

t.test('cases that are skipped take no time', async (t) => {
  const some = cases.map((point, index) => ({ ...point, skip: index > 0 ? 'no' : undefined }))
  t.strictSame([...expectedTimes(some, past('ide', 10), {}).keys()], ['ide'])
})

t.test('a block has its rests, and the reference three times', async (t) => {
  const times = expectedTimes(
    cases,
    [...past('ide', 10), ...past('sata', 20), ...past('scsi', 30)],
    {},
  )
  const block = (name?: string) => {
    const reference = name === undefined ? undefined : { case: name, drift: 0.05, repeats: 2 }
    return blockSeconds({ reference, pause: 5 }, times)
  }
  t.equal(block(), 60 + 3 * 5)
  t.equal(block('ide'), 80 + 5 * 5)
  t.equal(block('gone'), 60 + 3 * 5)
})
