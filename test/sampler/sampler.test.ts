import { deepEqual, ok } from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import type { Demand } from '../../src/sampler/demand.ts'
import type { IoCounts } from '../../src/sampler/io-counts.ts'
import { type FakeHost, fakeDrive, fakeHost, fakeVm, VDA } from './fake-host.ts'

const SECTOR = 512

function at<T>(list: readonly T[], index: number): T {
  const item = list.at(index)
  if (item === undefined) throw new Error(`expected ${index} in a list of ${list.length}`)
  return item
}

async function withVm(t: Parameters<typeof fakeHost>[0], more = {}): Promise<FakeHost> {
  const host = await fakeHost(t)
  host.vms.push(fakeVm('a', more))
  await host.cgroup('a', {})
  return host
}

function demandOf({ sampler }: FakeHost, vm: string): Demand | undefined {
  return sampler.vmDemand.get(vm)?.find(({ tier }) => tier === 'sata')
}

t.test('rates of devices: reads, writes and discards a second', async (t) => {
  const host = await fakeHost(t)
  await host.devices({ ...VDA, readsCompleted: 1000, writesCompleted: 500 })
  await host.tick()
  t.strictSame(host.seconds, [], 'the first reading is no second yet')
  t.equal(host.sampler.deviceRates.get('vda')?.distribution.count, 0)
  const discards = { completed: 3, merged: 0, sectors: 8, ms: 1 }
  await host.devices({ ...VDA, readsCompleted: 1010, writesCompleted: 530, discards })
  await host.tick()
  await host.devices({ ...VDA, readsCompleted: 1010, writesCompleted: 600, discards })
  await host.tick(2000)
  t.strictSame(
    host.seconds.map(({ seconds, devices }) => [seconds, devices.get('vda')]),
    [
      [1, 43],
      [2, 35],
    ],
  )
  t.match(host.sampler.deviceRates.get('vda')?.distribution, { count: 2, sum: 78 })
})

t.test('rates of vms: what they asked of qemu, flushes too', async (t) => {
  const operations = { 'drive-root': { reads: 5, writes: 5 }, 'drive-data': { writes: 1 } }
  const drives = [fakeDrive({}), fakeDrive({ name: 'data', id: 'drive-data' })]
  const host = await withVm(t, { operations, drives })
  await host.tick()
  operations['drive-root'] = { reads: 8, writes: 25 }
  operations['drive-data'] = { writes: 2 }
  await host.tick()
  t.strictSame(at(host.seconds, -1).vms, new Map([['a', 24]]))
  operations['drive-root'] = { reads: 8, writes: 25, ...{ flushes: 2 } }
  await host.tick(500)
  t.strictSame(at(host.seconds, -1).vms, new Map([['a', 4]]))
  t.strictSame(host.errors, [])
})

t.test('a second has what qemu had counted, and what was asked of each tier', async (t) => {
  const operations = { 'drive-root': { reads: 5, writes: 5 } }
  const host = await withVm(t, { operations })
  host.vms.push(fakeVm('silent', { beforeAnswer: () => Promise.reject(new Error('hangs')) }))
  await host.devices({ ...VDA })
  await host.tick()
  operations['drive-root'] = { reads: 8, writes: 25 }
  await host.tick(2000)
  const { drives, demand } = at(host.seconds, -1)
  t.match(drives.get('a'), [
    { id: 'drive-root', read: { operations: 8 }, write: { operations: 25 } },
  ])
  t.notOk(drives.has('silent'))
  const ofA = demand.filter(({ vm }) => vm === 'a')
  t.match(ofA, [{ tier: 'sata', basis: 'operations', seconds: 23 / 100 / 2 }])
})

t.test('a vm whose drives were passed through has no rate, rather than one of 0', async (t) => {
  const host = await withVm(t, { drives: [] })
  for (let tick = 0; tick < 3; tick++) await host.tick()
  t.strictSame(at(host.seconds, -1).vms, new Map())
  t.strictSame(host.sampler.vmRates, new Map())
  t.strictSame(host.errors, [])
})

t.test('a medium that a vm reads from beside its drives does not count', async (t) => {
  const operations = { 'drive-root': { writes: 5 }, 'medium-packages': { reads: 10 } }
  const host = await withVm(t, { operations })
  await host.tick()
  operations['drive-root'] = { writes: 7 }
  operations['medium-packages'] = { reads: 1000 }
  await host.tick()
  t.strictSame(at(host.seconds, -1).vms, new Map([['a', 2]]))
})

t.test('histograms are cumulative', async (t) => {
  const host = await fakeHost(t)
  let reads = 0
  for (const rate of [0, 0, 0, 1, 10, 100, 101, 700_000]) {
    reads += rate
    await host.devices({ ...VDA, readsCompleted: reads })
    await host.tick()
  }
  const { bounds, counts, count, sum } = host.sampler.deviceRates.get('vda')!.distribution
  const below = (bound: number) => counts[bounds.indexOf(bound)]
  t.equal(below(0), 2, 'idle seconds are seconds')
  t.equal(below(1), 3, 'a bound is part of its bucket')
  t.equal(below(10), 4)
  t.equal(below(90), 4)
  t.equal(below(100), 5)
  t.equal(below(110), 6)
  t.equal(at(counts, -1), 6, 'more than the last bound is only in +Inf')
  t.equal(count, 7)
  t.equal(sum, 700_212)
  t.strictSame(
    counts,
    [...counts].sort((a, b) => a - b),
  )
})

t.test('a second that was missed makes the next one longer, not twice as busy', async (t) => {
  const operations = { 'drive-root': { writes: 0 } }
  const host = await withVm(t, { operations })
  const [vm] = host.vms as [FakeHost['vms'][number]]
  await host.tick()
  vm.beforeAnswer = () => {
    throw new Error('vm a: no answer')
  }
  operations['drive-root'] = { writes: 40 }
  await host.tick()
  t.strictSame(at(host.seconds, -1).vms, new Map(), 'nothing is known of it')
  vm.beforeAnswer = undefined
  operations['drive-root'] = { writes: 80 }
  await host.tick()
  t.strictSame(at(host.seconds, -1).vms, new Map([['a', 40]]), '80 in 2 s')
  t.match(demandOf(host, 'a'), { basis: 'operations', moments: { samples: 1, seconds: 0.4 } })
  t.match(host.errors, [['qmp', { message: 'vm a: no answer' }]])

  await host.devices({ ...VDA, readsCompleted: 100 })
  await host.tick()
  await rm(join(host.procRoot, 'diskstats'))
  await host.tick()
  t.match(host.errors.slice(1), [['diskstats', { code: 'ENOENT' }]])
  await host.devices({ ...VDA, readsCompleted: 160 })
  await host.tick()
  t.equal(at(host.seconds, -1).devices.get('vda'), 30)
})

t.test('a vm that is slow to answer does not make a device busier', async (t) => {
  const host = await withVm(t)
  const [vm] = host.vms as [FakeHost['vms'][number]]
  await host.tick()
  // The device is read before the vm has answered, 0.6 s later: by then the vm has done 1.6 s of its 50 a second.
  vm.beforeAnswer = () => {
    host.clock.now += 600
  }
  vm.operations['drive-root'] = { writes: 80 }
  await host.devices({ ...VDA, writesCompleted: 100 })
  await host.tick()
  t.equal(at(host.seconds, -1).devices.get('vda'), 100)
  t.equal(at(host.seconds, -1).vms.get('a'), 50, 'nor itself')
  await host.devices({ ...VDA, writesCompleted: 260 })
  await host.tick()
  t.equal(at(host.seconds, -1).devices.get('vda'), 100, '160 in 1.6 s')
})

t.test('the next vm of the same name is another one', async (t) => {
  const host = await withVm(t, { operations: { 'drive-root': { writes: 1000 } } })
  await host.cgroup('a', { writes: 1000 })
  await host.tick()
  await host.tick()
  host.vms[0] = fakeVm('a', { pid: 4712, operations: { 'drive-root': { writes: 7 } } })
  await host.cgroup('a', { writes: 1100 }) // its own, since the first instruction
  await host.devices({ ...VDA, writesCompleted: 1150 })
  await host.tick()
  t.strictSame(at(host.seconds, -1).vms, new Map())
  t.equal(host.sampler.vmRates.get('a')?.distribution.count, 0)
  t.equal(host.sampler.unattributed.get('vda')?.writesCompleted, 50)
})

t.test('demand: device time of what a drive with direct I/O asks, by tier', async (t) => {
  const drives = [
    fakeDrive(),
    fakeDrive({ name: 'log', id: 'drive-log' }),
    fakeDrive({ name: 'cached', id: 'drive-cached', tier: 'mixed', direct: false }),
    fakeDrive({ name: 'beside', id: 'drive-beside', tier: 'mixed' }),
    fakeDrive({ name: 'fast', id: 'drive-fast', tier: 'unrated' }),
  ]
  const operations = Object.fromEntries(drives.map(({ id }) => [id, { reads: 0, writes: 0 }]))
  const host = await withVm(t, { drives, operations })
  host.tiers.push(
    { name: 'unrated', kind: 'directory' },
    { name: 'mixed', kind: 'directory', ratedTransactionsPerSecond: 100 },
  )
  await host.tick()
  for (const id of Object.keys(operations)) operations[id] = { reads: 10, writes: 20 }
  await host.tick(2000)
  // 30 operations of 10 ms a drive in two seconds; neither of host-cached drives nor of unrated tiers.
  const [demand, ...others] = host.sampler.vmDemand.get('a')!
  t.match(demand, { tier: 'sata', basis: 'operations', moments: { samples: 1 } })
  t.ok(Math.abs(demand!.moments.seconds - 0.3) < 1e-9)
  t.ok(Math.abs(demand!.moments.squaredSeconds - 0.09) < 1e-9)
  t.strictSame(others, [])
})

t.test(
  'demand: what was measured counts before what is rated, each class at its own cost',
  async (t) => {
    const operations = { 'drive-root': { reads: 0, writes: 0, flushes: 0 } }
    const host = await withVm(t, { operations })
    const classOf = (name: string, peak: number) => ({
      class: name,
      peak,
      baseLatency: 1 / peak,
      residual: 0,
    })
    const [random, synced] = [
      [classOf('random-read', 50), classOf('random-write', 200)],
      [classOf('synced-write', 40)],
    ]
    const demandWith = async (classes: ReturnType<typeof classOf>[]) => {
      host.tiers[0]!.calibration = { endedAt: 0, classes }
      const before = demandOf(host, 'a')?.moments.seconds ?? 0
      operations['drive-root'].reads += 10
      operations['drive-root'].writes += 20
      operations['drive-root'].flushes += 4
      await host.tick()
      return Math.round((demandOf(host, 'a')!.moments.seconds - before) * 1e6) / 1e6
    }
    await host.tick()
    t.equal(
      await demandWith([...random!, ...synced!]),
      0.38,
      '10 / 50 + 20 / 200 + 4 (1 / 40 - 1 / 200)',
    )
    t.equal(await demandWith(random!), 0.3, 'without the third class a flush costs nothing')
    t.equal(await demandWith(synced!), 0.3, 'without one of the two it is the rate: 30 / 100')
    t.equal(await demandWith([...random!, classOf('synced-write', 1000)]), 0.3, 'never less')
  },
)

t.test('moments give the mean and the variance of the samples themselves', async (t) => {
  const host = await fakeHost(t)
  host.vms.push(fakeVm('a', { cgroup: undefined }), fakeVm('b', { cgroup: undefined }))
  const counts = { a: 0, b: 0 }
  const samples: Record<'a' | 'b' | 'both', number[]> = { a: [], b: [], both: [] }
  await host.tick()
  for (let second = 0; second < 60; second++) {
    const [a, b] = [(second * 37) % 90, (second * 53) % 41]
    counts.a += a
    counts.b += b
    samples.a.push(a / 100)
    samples.b.push(b / 100)
    samples.both.push((a + b) / 100)
    for (const vm of host.vms) {
      vm.operations['drive-root'] = { writes: counts[vm.name as 'a' | 'b'] }
    }
    await host.tick()
  }
  const found = {
    a: demandOf(host, 'a')?.moments,
    b: demandOf(host, 'b')?.moments,
    both: host.sampler.tierDemand[0]?.moments,
  }
  for (const [who, moments] of Object.entries(found)) {
    const values = samples[who as keyof typeof samples]
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
    const of = moments ?? { samples: 0, seconds: 0, squaredSeconds: 0 }
    t.equal(of.samples, 60, who)
    const near = (x: number, y: number) => Math.abs(x - y) < 1e-9
    t.ok(near(of.seconds / of.samples, mean), `${who}: mean ${mean}`)
    const computed = of.squaredSeconds / of.samples - (of.seconds / of.samples) ** 2
    t.ok(near(computed, variance), `${who}: variance ${variance}`)
  }
})

t.test('what a vm did is not in the remainder', async (t) => {
  const host = await withVm(t)
  await host.cgroup('a', { writes: 100, writtenBytes: 100 * 4096 })
  await host.devices({ ...VDA, writesCompleted: 1000, writtenSectors: 8000 })
  await host.tick()
  t.strictSame(host.sampler.unattributed.get('vda'), zeros())
  await host.cgroup('a', { writes: 130, writtenBytes: 130 * 4096 })
  await host.devices({ ...VDA, readsCompleted: 5, writesCompleted: 1050, writtenSectors: 8400 })
  await host.tick()
  t.strictSame(host.sampler.unattributed.get('vda'), {
    readsCompleted: 5,
    readBytes: 0,
    writesCompleted: 20,
    writtenBytes: 400 * SECTOR - 30 * 4096,
  })
})

t.test('what a vm did before it was adopted is not held against this second', async (t) => {
  const host = await fakeHost(t)
  await host.tick()
  host.vms.push(fakeVm('a', { adopted: true }))
  await host.cgroup('a', { writes: 1000 })
  await host.devices({ ...VDA, writesCompleted: 10 })
  await host.tick()
  t.equal(host.sampler.unattributed.get('vda')?.writesCompleted, 10)
})

t.test("what is in flight at the end of a second is a vm's in the next one too", async (t) => {
  const host = await withVm(t)
  await host.tick()
  await host.cgroup('a', { writes: 5 })
  await host.devices({ ...VDA, writesCompleted: 2, ioNow: 3 })
  await host.tick()
  t.equal(host.sampler.unattributed.get('vda')?.writesCompleted, 0)
  await host.devices({ ...VDA, writesCompleted: 9 })
  await host.tick()
  t.equal(host.sampler.unattributed.get('vda')?.writesCompleted, 4)
  await host.cgroup('a', { writes: 50 })
  await host.tick()
  await host.devices({ ...VDA, writesCompleted: 52 })
  await host.tick()
  t.equal(host.sampler.unattributed.get('vda')?.writesCompleted, 4, 'begun since it was read')
  await host.devices({ ...VDA, writesCompleted: 57 })
  await host.tick()
  t.equal(host.sampler.unattributed.get('vda')?.writesCompleted, 9, '2 were merged')
})

t.test('requests of vms that are merged hide those of others for no longer', async (t) => {
  const host = await withVm(t)
  await host.tick()
  for (let second = 1; second <= 5; second++) {
    await host.cgroup('a', { writes: 100 * second })
    await host.devices({ ...VDA, writesCompleted: 40 * second, ioNow: 2 })
    await host.tick()
  }
  await host.devices({ ...VDA, writesCompleted: 210, ioNow: 2 })
  await host.tick()
  await host.devices({ ...VDA, writesCompleted: 320, ioNow: 2 })
  await host.tick()
  // 100 that were begun last and 2 in flight might have come, and what came of these is not known.
  t.equal(host.sampler.unattributed.get('vda')?.writesCompleted, 320 - 210 - 2)
})

t.test('what a vm does while another one is awaited is its own', async (t) => {
  const host = await withVm(t)
  await host.tick()
  const [vm] = host.vms as [FakeHost['vms'][number]]
  const during = async (writes: number) => {
    await host.devices({ ...VDA, writesCompleted: writes })
    await host.cgroup('a', { writes })
  }
  vm.beforeAnswer = () => during(30)
  await host.tick()
  vm.beforeAnswer = () => during(70)
  await host.tick()
  vm.beforeAnswer = undefined
  await host.tick()
  t.equal(host.sampler.unattributed.get('vda')?.writesCompleted ?? 0, 0)
})

t.test('a device that no vm is on has no remainder', async (t) => {
  const host = await withVm(t)
  const sdb = { device: 'sdb', major: 8, minor: 16 }
  await host.devices(VDA, sdb)
  await host.tick()
  await host.devices(VDA, { ...sdb, writesCompleted: 10 })
  await host.tick()
  t.strictSame([...host.sampler.unattributed.keys()], ['vda'])
})

t.test('the last second of a vm stays its own', async (t) => {
  const host = await withVm(t)
  await host.tick()
  const [vm] = host.vms as [FakeHost['vms'][number]]
  await host.cgroup('a', { writes: 60 })
  await host.sampler.takeLast(vm)
  host.vms.length = 0
  await host.devices({ ...VDA, writesCompleted: 64 })
  await host.tick()
  t.equal(host.sampler.unattributed.get('vda')?.writesCompleted, 4)
})

t.test('what is kept of a vm or a device goes with it', async (t) => {
  const host = await withVm(t, { operations: { 'drive-root': { writes: 1 } } })
  await host.tick()
  await host.tick()
  t.strictSame([...host.sampler.vmRates.keys()], ['a'])
  t.strictSame([...host.sampler.vmDemand.keys()], ['a'])
  host.vms.length = 0
  await host.devices({ device: 'sdb', major: 8, minor: 16 })
  await host.tick()
  t.strictSame([...host.sampler.vmRates.keys()], [])
  t.strictSame([...host.sampler.vmDemand.keys()], [])
  t.strictSame([...host.sampler.deviceRates.keys()], ['sdb'])
  t.strictSame([...host.sampler.unattributed.keys()], [])
  t.equal(host.sampler.tierDemand[0]?.moments.samples, 1, 'the sum of a tier goes on')
})

t.test('a cgroup that is not there costs no rate', async (t) => {
  const host = await fakeHost(t)
  const operations = { 'drive-root': { writes: 0 } }
  host.vms.push(fakeVm('a', { operations }))
  await host.tick()
  operations['drive-root'] = { writes: 9 }
  await host.tick()
  t.strictSame(at(host.seconds, -1).vms, new Map([['a', 9]]))
  t.match(host.errors, [
    ['cgroup', { code: 'ENOENT' }],
    ['cgroup', { code: 'ENOENT' }],
  ])
})

t.test('whatever the counters do, nothing falls and nothing is negative', async (t) => {
  const count = fc.nat(1000)
  const reading = fc.record({
    device: fc.option(fc.record({ reads: count, writes: count, sectors: count }), { freq: 8 }),
    cgroup: fc.record({ reads: count, writes: count, readBytes: count, writtenBytes: count }),
    operations: count,
    pid: fc.integer({ min: 1, max: 2 }),
    scraped: fc.boolean(),
  })
  const host = await fakeHost(t)
  await fc.assert(
    fc.asyncProperty(fc.array(reading, { minLength: 2, maxLength: 12 }), async (readings) => {
      const { sampler, seconds } = host
      seconds.length = 0
      host.vms.length = 0
      await host.devices()
      await host.tick() // all is forgotten
      let before: IoCounts | undefined
      for (const { device, cgroup, operations, pid, scraped } of readings) {
        await host.devices(...(device ? [devicesOf(device)] : []))
        if (scraped) await sampler.readDevices()
        await host.cgroup('a', cgroup)
        host.vms[0] = fakeVm('a', { pid, operations: { 'drive-root': { writes: operations } } })
        await host.tick()
        const after = sampler.unattributed.get('vda')
        for (const key of ['readsCompleted', 'writesCompleted', 'writtenBytes'] as const) {
          if (before && after) ok(after[key] >= before[key], `${key} fell`)
          if (after) ok(after[key] >= 0, `${key} is negative`)
        }
        before = after
      }
      for (const { devices, vms } of seconds) {
        for (const rate of [...devices.values(), ...vms.values()]) ok(rate >= 0, `rate ${rate}`)
      }
      const demand = demandOf(host, 'a')
      if (demand) ok(demand.moments.seconds >= 0, 'demand is negative')
      deepEqual(host.errors, [])
    }),
    { numRuns: 60 },
  )
})

t.test('reads by itself each second, until it is stopped', async (t) => {
  const host = await fakeHost(t)
  const realTime = performance.now.bind(performance)
  Object.defineProperty(host.clock, 'now', { get: realTime })
  host.sampler.start()
  await sleep(1600)
  await host.sampler.stop()
  const { length } = host.seconds
  t.equal(length, 1)
  t.ok(Math.abs(at(host.seconds, 0).seconds - 1) < 0.3, `${at(host.seconds, 0).seconds} s`)
  await sleep(1100)
  t.equal(host.seconds.length, length)
})

function devicesOf(counts: { reads: number; writes: number; sectors: number }) {
  const { reads, writes, sectors } = counts
  return { ...VDA, readsCompleted: reads, writesCompleted: writes, writtenSectors: sectors }
}

function zeros(): IoCounts {
  return { readsCompleted: 0, readBytes: 0, writesCompleted: 0, writtenBytes: 0 }
}

t.test('what a hypervisor under this host gave to others', async (t) => {
  const host = await fakeHost(t)
  await host.cpu({ user: 1000, idle: 5000, steal: 300 })
  await host.tick()
  await host.cpu({ user: 1050, idle: 5100, steal: 350 })
  await host.tick()
  await host.tick() // nothing has gone on since
  t.strictSame(
    host.seconds.map(({ stolen }) => stolen),
    [0.25, undefined],
  )
  await rm(join(host.procRoot, 'stat'))
  await host.tick()
  t.match(host.errors, [['cpu', { code: 'ENOENT' }]])
})
