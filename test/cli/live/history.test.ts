import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { GuestDisk } from '../../../src/attribution/records.ts'
import { LiveHistory } from '../../../src/cli/live/history.ts'
import type { Flow } from '../../../src/web/live/state.ts'
import { type FakeHost, fakeHost, fakeVm, VDA } from '../../sampler/fake-host.ts'

interface Watched extends FakeHost {
  history: LiveHistory
  /** A second later, what the sampler saw of it is taken. */
  second(ms?: number): Promise<void>
}

async function watched(t: Test): Promise<Watched> {
  const host = await fakeHost(t)
  const history = new LiveHistory()
  return {
    ...host,
    history,
    async second(ms = 1000) {
      const before = host.seconds.length
      await host.tick(ms)
      const second = host.seconds.at(-1)
      if (second && host.seconds.length > before) history.take(second, host.vms)
    },
  }
}

/** Differences of sums have digits that nobody measured. */
function rounded(flow: Flow | undefined): Flow {
  const entries = Object.entries(flow ?? {}).map(([key, value]) => [
    key,
    Math.round(value * 1e9) / 1e9,
  ])
  return Object.fromEntries(entries)
}

/** A guest's own line of a disk with these writes, which took so many milliseconds. */
function guestDisk(writes: number, ms: number): GuestDisk {
  return { disk: 'vda', drive: 'root', stat: `0 0 0 0 ${writes} 0 0 ${ms} 0 0 0` }
}

t.test('a device: the last second, the last ten, the last minute', async (t) => {
  const host = await watched(t)
  const { history } = host
  let [writesCompleted, writeMs] = [1000, 5000]
  const write = async (writes: number, ms: number) => {
    writesCompleted += writes
    writeMs += ms
    await host.devices({ ...VDA, writesCompleted, writeMs })
    await host.second()
  }
  await write(0, 0)
  t.equal(history.device('vda'), undefined, 'the first reading is no second')
  await write(50, 100)
  t.strictSame(rounded(history.device('vda')?.flow), { now: 50 }, 'a mean needs two')
  await write(100, 1000)
  t.strictSame(rounded(history.device('vda')?.flow), { now: 100, mean: 100, latency: 0.01 })
  await write(20, 1400)
  t.strictSame(rounded(history.device('vda')?.flow), { now: 20, mean: 60, latency: 0.02 })
  for (let second = 0; second < 9; second++) await write(0, 0)
  t.strictSame(
    rounded(history.device('vda')?.flow),
    { now: 0, mean: 2, latency: 0.07 },
    'what was more than ten seconds ago no longer counts',
  )
  await write(0, 0)
  t.strictSame(
    rounded(history.device('vda')?.flow),
    { now: 0, mean: 0 },
    'nothing ended: no latency',
  )
  for (let second = 0; second < 70; second++) await write(second, 0)
  t.strictSame(
    history.device('vda')?.history,
    Array.from({ length: 60 }, (_, index) => index + 10),
  )
})

t.test('a device that has gone is forgotten, one that was not read is not', async (t) => {
  const host = await watched(t)
  await host.second()
  await host.second()
  t.ok(host.history.device('vda'))
  await rm(join(host.procRoot, 'diskstats'))
  await host.second()
  t.strictSame(host.history.device('vda')?.history, [0, null], 'a gap')
  await host.devices({ device: 'vdb', major: 254, minor: 16 })
  await host.second()
  t.equal(host.history.device('vda'), undefined)
})

t.test('a vm at each layer', async (t) => {
  const host = await watched(t)
  const operations = { 'drive-root': { writes: 0, writeSeconds: 0 } }
  let disks: GuestDisk[] = []
  host.vms.push(fakeVm('a', { operations, guestDisks: () => disks }))
  await host.cgroup('a', {})
  await host.second()
  await host.second()
  t.strictSame(host.history.vm('a')?.guest.flow, {}, 'it has not told anything')
  t.equal(host.history.vm('a')?.guest.total, undefined)
  operations['drive-root'] = { writes: 30, writeSeconds: 0.6 }
  disks = [guestDisk(60, 1800)]
  await host.cgroup('a', { writes: 36 })
  await host.second(2000)
  const { guest, qemu, group } = host.history.vm('a')!
  t.strictSame(rounded(guest.flow), { mean: 20, latency: 0.03 }, 'from its begin on, as qemu')
  t.equal(guest.total, 60)
  t.strictSame(rounded(qemu.flow), { now: 15, mean: 10, latency: 0.02 })
  t.equal(qemu.total, 30)
  t.strictSame(group.flow, { mean: 12 }, 'a cgroup takes no time')
  t.equal(group.total, 36)
  t.strictSame(qemu.history, [0, 15])
})

t.test(
  "a guest that boots slowly: its mean is of the same ten seconds as its qemu's",
  async (t) => {
    const host = await watched(t)
    const operations = { 'drive-root': { writes: 0 } }
    let disks: GuestDisk[] = []
    host.vms.push(fakeVm('a', { operations, guestDisks: () => disks }))
    await host.cgroup('a', {})
    for (let second = 0; second < 30; second++) await host.second()
    t.equal(host.history.vm('a')?.guest.total, undefined)
    for (let second = 1; second <= 5; second++) {
      operations['drive-root'].writes = 40 * second
      disks = [guestDisk(40 * second, 0)]
      await host.second()
    }
    const { guest, qemu } = host.history.vm('a')!
    t.equal(rounded(qemu.flow).mean, 20)
    t.equal(rounded(guest.flow).mean, 20)
  },
)

t.test('a vm that ran before: what it did then is no flow of now', async (t) => {
  const host = await watched(t)
  const operations = { 'drive-root': { writes: 5_000, writeSeconds: 100 } }
  host.vms.push(fakeVm('a', { operations, adopted: true, guestDisks: () => [guestDisk(9_000, 1)] }))
  await host.cgroup('a', { writes: 7_000 })
  for (let second = 0; second < 3; second++) await host.second()
  const { guest, qemu, group } = host.history.vm('a')!
  t.strictSame([guest.flow.mean, qemu.flow.mean, group.flow.mean], [0, 0, 0])
  t.strictSame([guest.total, qemu.total, group.total], [9_000, 5_000, 7_000])
})

t.test('of a vm whose drives were passed through nothing is known, which is not 0', async (t) => {
  const host = await watched(t)
  host.vms.push(fakeVm('a', { drives: [], cgroup: undefined }))
  for (let second = 0; second < 5; second++) await host.second()
  const { guest, qemu, group } = host.history.vm('a')!
  t.strictSame([guest.flow, qemu.flow, group.flow], [{}, {}, {}])
  t.strictSame([guest.total, qemu.total, group.total], [undefined, undefined, undefined])
})

t.test('the next vm of a name begins anew', async (t) => {
  const host = await watched(t)
  const operations = { 'drive-root': { writes: 0 } }
  host.vms.push(fakeVm('a', { operations }))
  await host.cgroup('a', {})
  for (let second = 0; second < 3; second++) {
    operations['drive-root'].writes += 10
    await host.second()
  }
  t.strictSame(host.history.vm('a')?.qemu.history, [10, 10])
  host.vms.splice(0, 1, fakeVm('a', { pid: 4712, operations: { 'drive-root': { writes: 3 } } }))
  await host.second()
  t.strictSame(host.history.vm('a')?.qemu.history, [null])
  t.equal(host.history.vm('a')?.qemu.total, 3)
  host.vms.length = 0
  await host.second()
  t.equal(host.history.vm('a'), undefined)
})

t.test('a guest that says nonsense costs its own layer alone', async (t) => {
  const host = await watched(t)
  host.vms.push(fakeVm('a', { guestDisks: () => [{ ...guestDisk(1, 1), stat: '1 2 <b>' }] }))
  await host.cgroup('a', {})
  for (let second = 0; second < 3; second++) await host.second()
  t.equal(host.history.vm('a')?.guest.total, undefined)
  t.equal(host.history.vm('a')?.qemu.total, 0)
})
