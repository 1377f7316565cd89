import { ok } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { Tier, Vm } from '../../src/attribution/records.ts'
import { DeviceDemand } from '../../src/sampler/device-demand.ts'
import { NO_IO } from '../../src/sampler/io-counts.ts'
import { type Diskstat, parseDiskstats } from '../../src/source/diskstats.ts'
import { fakeDrive, fakeHost, fakeVm, VDA } from './fake-host.ts'

const V1 = { version: 1, root: '/' } as const
const V2 = { version: 2, root: '/' } as const
const SATA: Tier = { name: 'sata', kind: 'directory', device: 'vda' }

/** One that kvmio did not start, and cannot ask. */
function foreign(name: string, more: Partial<Vm> = {}): Vm {
  const { qmp: _, ...vm } = fakeVm(name)
  return { ...vm, manager: 'libvirt', adopted: true, unasked: true, ...more }
}

function disk(operations: number, busyMs: number, device = 'vda', minor = 0): Diskstat {
  const empty = parseDiskstats(`254 ${minor} ${device} ${'0 '.repeat(17)}`)[0]!
  return { ...empty, readsCompleted: operations, ioMs: busyMs }
}

const reads = (count: number, device = '254:0') =>
  new Map([[device, { ...NO_IO, readsCompleted: count }]])

t.test('by the sampler: the share of the time that the device was busy', async (t) => {
  const host = await fakeHost(t)
  host.vms.push(
    Object.assign(foreign('a'), { operations: {} }),
    Object.assign(foreign('b'), { operations: {} }),
  )
  for (const vm of ['a', 'b']) await host.cgroup(vm, { reads: 1000 })
  await host.tick()
  await host.cgroup('a', { reads: 1030, writes: 30 })
  await host.devices({ ...VDA, readsCompleted: 70, writesCompleted: 30, ioMs: 500 })
  await host.tick()
  const moments = (seconds: number) => ({ samples: 1, seconds, squaredSeconds: seconds ** 2 })
  const demand = { tier: 'sata', basis: 'device' as const }
  t.strictSame(
    host.sampler.vmDemand,
    new Map([
      ['a', [{ ...demand, moments: moments(0.3) }]], // 60 of 100 operations, busy half of the second
      ['b', [{ ...demand, moments: moments(0) }]],
    ]),
  )
  t.strictSame(host.sampler.tierDemand, [{ ...demand, moments: moments(0.3) }])
  t.strictSame([...host.sampler.vmRates], [], 'what they ask of qemu is not known')
  host.vms.shift()
  await host.tick()
  t.strictSame([...host.sampler.vmDemand.keys()], ['b'])
})

t.test('who has a sample', async (t) => {
  const device = new DeviceDemand()
  const vm = foreign('a')
  const settle = (operations: number, at: number, more: { vm?: Vm; tier?: Tier } = {}) =>
    device
      .settle([disk(operations, at / 4)], at, [more.vm ?? vm], [more.tier ?? SATA], V2)
      .map(({ seconds }) => seconds)
  device.count('a', reads(50))
  t.strictSame(settle(0, 0), [], 'not after the first reading')
  device.count('a', reads(20))
  t.strictSame(settle(40, 1000), [0.125])
  t.strictSame(settle(80, 2000), [], 'not when its cgroup was not read')
  device.count('a', reads(40))
  t.strictSame(settle(120, 3000), [], 'nor the next time, for that is of two seconds')
  device.count('a', reads(80))
  t.strictSame(settle(160, 4000), [0.25], 'more bios than requests: all of it')
  device.count('a', reads(0))
  t.strictSame(settle(160, 5000), [0], 'a device that did nothing')
  device.count('a', reads(1))
  t.strictSame(settle(0, 6000), [], 'a device that began again')
  device.count('a', reads(1))
  t.strictSame(settle(1, 7000, { tier: { ...SATA, device: undefined } as Tier }), [])
  device.count('a', reads(1))
  t.strictSame(settle(2, 8000, { vm: foreign('a', { drives: [] }) }), [])
})

t.test('host-cached writes: known by cgroup v2 alone', async (t) => {
  const drives = [fakeDrive({ direct: false })]
  const rated = { ...SATA, ratedTransactionsPerSecond: 100 }
  const vms = [fakeVm('a', { drives }), fakeVm('b')]
  for (const [hierarchy, expected] of [
    [V1, []],
    [V2, ['a']],
  ] as const) {
    const device = new DeviceDemand()
    for (const at of [0, 1000]) {
      for (const { name } of vms) device.count(name, reads(10))
      const samples = device.settle([disk(at, at)], at, vms, [rated], hierarchy)
      if (at > 0)
        t.strictSame(
          samples.map(({ vm }) => vm),
          expected,
          'of a, not of b, whose operations tell',
        )
    }
  }
})

t.test('a tier on a partition: cgroups count on its disk', async (t) => {
  for (const [whole, part] of [
    ['sda', 'sda2'],
    ['nvme0n1', 'nvme0n1p2'],
    ['loop3', 'loop3'],
    ['dm-3', 'dm-3'],
  ] as const) {
    const device = new DeviceDemand()
    const tier = { ...SATA, device: part }
    for (const at of [0, 1000]) {
      device.count('a', reads(10, '254:0'))
      const stats = [disk(at, at, whole), ...(part === whole ? [] : [disk(at / 50, at, part, 2)])]
      const [sample] = device.settle(stats, at, [foreign('a')], [tier], V1)
      if (at > 0) t.equal(sample?.seconds, part === whole ? 0.01 : 0.5, part)
    }
  }
})

t.test('the vms have never more of a device than its time', async () => {
  const second = fc.record({
    operations: fc.nat(500),
    busyMs: fc.nat(1000),
    vms: fc.array(fc.nat(300), { minLength: 3, maxLength: 3 }),
  })
  fc.assert(
    fc.property(fc.array(second, { maxLength: 20 }), (seconds) => {
      const device = new DeviceDemand()
      const vms = ['a', 'b', 'c'].map((name) => foreign(name))
      let [operations, busyMs] = [0, 0]
      for (const [index, second] of seconds.entries()) {
        operations += second.operations
        busyMs += second.busyMs
        for (const [at, count] of second.vms.entries()) device.count(vms[at]!.name, reads(count))
        const samples = device.settle([disk(operations, busyMs)], index * 1000, vms, [SATA], V2)
        const sum = samples.reduce((total, { seconds }) => total + seconds, 0)
        ok(samples.every(({ seconds }) => seconds >= 0))
        ok(sum <= second.busyMs / 1000 + 1e-9, `${sum} of ${second.busyMs} ms`)
      }
    }),
  )
})
