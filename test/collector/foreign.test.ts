// A vm that kvmio did not start: what is not known of it is absent, or an empty label.
import { chmod, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Vm } from '../../src/attribution/records.ts'
import { cgroup } from '../../src/collector/cgroup.ts'
import { memory } from '../../src/collector/memory.ts'
import { process as processes } from '../../src/collector/process.ts'
import { qmp } from '../../src/collector/qmp.ts'
import { tier } from '../../src/collector/tier.ts'
import { vm as vmCollector } from '../../src/collector/vm.ts'
import * as m from '../../src/metrics/catalog.ts'
import { answering, drive, hostWith, scrapeOf, valuesOf, vm } from './host.ts'

/** Of libvirt, without a QMP socket. */
function foreign(more: Partial<Vm> = {}): Vm {
  const { name, accelerator, drives, pid, cgroup, guestDisks } = vm('web')
  return {
    ...{ name, accelerator, drives, pid, cgroup, guestDisks },
    ...{ manager: 'libvirt', adopted: true, unasked: true, ...more },
  }
}

t.test('what it is', async (t) => {
  const unknown = {
    ...{ format: '', preallocation: '', cache: '', aio: '', discard: '', detectZeroes: '' },
    ...{ lazyRefcounts: undefined, extendedL2: undefined, backing: undefined, bus: '' },
    iothread: undefined,
  }
  const one = foreign({ drives: [drive('later.qcow2', { tier: '/srv', id: '', ...unknown })] })
  const samples = await vmCollector.collect(
    await scrapeOf(t, { knownVms: [{ ...one, running: true }] }),
  )
  t.strictSame(valuesOf(samples, m.vmInfo), { 'web libvirt       tcg': 1 })
  const [info] = samples.filter(({ family }) => family === m.driveInfo)
  const given = Object.entries(info?.labels ?? {}).filter(([, value]) => value !== '')
  t.strictSame(Object.fromEntries(given), { vm: 'web', drive: 'later.qcow2', tier: '/srv' })
})

t.test('whether it answers: known only of one that is asked', async (t) => {
  const named = { ...foreign({ name: 'busy' }) }
  delete named.unasked
  const answers = { ...named, name: 'db', qmp: answering(async () => []) }
  const vms = [foreign(), named, answers]
  const knownVms = vms.map((vm) => ({ ...vm, running: true }))
  const scrape = await scrapeOf(t, { vms, knownVms })
  t.strictSame(valuesOf(await qmp.collect(scrape), m.vmUp), { busy: 0, db: 1 })
  t.strictSame(scrape.errors, [], 'a socket that somebody else has is no error of each scrape')
})

t.test('memory that its command line does not tell', async (t) => {
  const vms = [foreign(), foreign({ name: 'db', memoryBytes: 2 ** 30 })]
  const samples = await memory.collect(await scrapeOf(t, { vms }))
  t.strictSame(valuesOf(samples, m.vmMemory), { db: 2 ** 30 })
})

t.test('a tier that was found', async (t) => {
  const found = { name: '/dev/sdb', kind: 'device', found: true, target: '/dev/sdb' } as const
  const vms = [foreign({ drives: [drive('a', { tier: '/dev/sdb' })] })]
  const samples = await tier.collect(await scrapeOf(t, { vms, tiers: [found] }))
  t.strictSame(valuesOf(samples, m.tierInfo), { '/dev/sdb device   /dev/sdb true': 1 })
  t.strictSame(valuesOf(samples, m.tierVms), { '/dev/sdb': 1 })
  t.strictSame(valuesOf(samples, m.tierCapacity), {})
})

t.test('v1: writes of a vm whose drives are not known', async (t) => {
  const samples = await cgroup.collect(await scrapeOf(t, { vms: [foreign({ drives: [] })] }))
  t.strictSame(valuesOf(samples, m.vmDevice.readsCompleted), { 'web vda': 53 })
  t.strictSame(valuesOf(samples, m.vmDevice.writesCompleted), {}, 'some may be host-cached')
})

const isRoot = process.getuid?.() === 0

t.test('a process of another user', { skip: isRoot && 'root may read all' }, async (t) => {
  const root = await hostWith(t, {})
  const file = join(root, 'proc/4711/io')
  await chmod(file, 0o000)
  await checkUnreadable(t, root)
})

t.test('a process whose io is gone is an error still', async (t) => {
  const root = await hostWith(t, {})
  await rm(join(root, 'proc/4711/io'))
  const scrape = await scrapeOf(t, { root, vms: [foreign()] })
  t.strictSame(await processes.collect(scrape), [])
  t.match(scrape.errors, [['process', /^ENOENT/]])
})

async function checkUnreadable(t: Parameters<typeof scrapeOf>[0], root: string): Promise<void> {
  const scrape = await scrapeOf(t, { root, vms: [foreign()] })
  const samples = await processes.collect(scrape)
  t.strictSame(valuesOf(samples, m.vmProcess.readBytes), {})
  t.strictSame(Object.keys(valuesOf(samples, m.vmProcess.cpuSeconds)), ['web'])
  t.strictSame(scrape.errors, [])
}
