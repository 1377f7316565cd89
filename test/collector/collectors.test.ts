import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Drive, Tier } from '../../src/attribution/records.ts'
import { createCollectors } from '../../src/collector/all.ts'
import { cgroup } from '../../src/collector/cgroup.ts'
import { client } from '../../src/collector/client.ts'
import { type Collector, collectAll } from '../../src/collector/collector.ts'
import { createDiskstatsCollector } from '../../src/collector/diskstats.ts'
import { guest } from '../../src/collector/guest.ts'
import { iostat } from '../../src/collector/iostat.ts'
import { memory } from '../../src/collector/memory.ts'
import { process as processes } from '../../src/collector/process.ts'
import { qmp } from '../../src/collector/qmp.ts'
import { sampler } from '../../src/collector/sampler.ts'
import { tier } from '../../src/collector/tier.ts'
import { vm as vms } from '../../src/collector/vm.ts'
import * as m from '../../src/metrics/catalog.ts'
import { sample } from '../../src/metrics/family.ts'
import { readSpace } from '../../src/source/mounts.ts'
import { pageOf } from '../metrics/exposition.ts'
import { fixture } from '../source/fixtures.ts'
import {
  answering,
  drive,
  folder,
  hostWith,
  namesOf,
  recordedBalloon,
  recordedBlockstats,
  recordedIostat,
  samplerOf,
  scrapeOf,
  valuesOf,
  vm,
} from './host.ts'

function collectorOf(name: string, collect: Collector['collect']): Collector {
  return { name, collect }
}

const ONE = collectorOf('one', async () => [sample(m.host.cpus, {}, 2)])

t.test('a broken collector costs only itself', async (t) => {
  const broken = collectorOf('broken', async () => {
    throw new Error('nothing to read')
  })
  const scrape = await scrapeOf(t)
  let now = 0
  const samples = await collectAll([broken, ONE], scrape, () => (now += 250))
  t.strictSame(valuesOf(samples, m.collectorSuccess), { broken: 0, one: 1 })
  t.strictSame(valuesOf(samples, m.host.cpus), { '': 2 })
  t.strictSame(scrape.errors, [['broken', 'nothing to read']])
  const durations = valuesOf(samples, m.collectorSeconds)
  t.ok(Object.values(durations).every((seconds) => Number(seconds) > 0))
})

t.test('one that never returns is cut at the end of the scrape', async (t) => {
  const stuck = collectorOf('stuck', () => new Promise(() => {}))
  const scrape = await scrapeOf(t, { timeoutMs: 150 })
  const start = performance.now()
  const samples = await collectAll([stuck, ONE], scrape)
  const took = performance.now() - start
  t.ok(took >= 140 && took < 1000, `${took} ms`)
  t.strictSame(valuesOf(samples, m.collectorSuccess), { stuck: 0, one: 1 })
  t.strictSame(scrape.errors, [
    ['stuck', 'collector stuck did not end in the 0.15 s of this scrape'],
  ])
})

t.test('one that fails after it was cut disturbs nobody', async (t) => {
  const late = collectorOf('late', async () => {
    await sleep(60)
    throw new Error('too late')
  })
  const scrape = await scrapeOf(t, { timeoutMs: 20 })
  await collectAll([late], scrape)
  await sleep(100)
  t.strictSame(scrape.errors, [['late', 'collector late did not end in the 0.02 s of this scrape']])
})

t.test('a vm without a balloon costs no QMP and has no such series', async (t) => {
  const asked: string[] = []
  const ask = (of: string) =>
    answering(async (command) => {
      asked.push(of)
      return (await recordedBalloon('balloon-silent'))[command]
    })
  const vms = [
    vm('plain', { qmp: ask('plain') }),
    vm('balloon', { qmp: ask('balloon'), balloon: { targetBytes: 2 ** 27 } }),
    vm('sick', {
      qmp: answering(() => Promise.reject(new Error('gone'))),
      balloon: { targetBytes: 0 },
    }),
  ]
  const scrape = await scrapeOf(t, { vms })
  const samples = await memory.collect(scrape)
  t.strictSame(asked, ['balloon', 'balloon'])
  const all = 192 * 2 ** 20
  t.strictSame(valuesOf(samples, m.vmMemory), { plain: all, balloon: all, sick: all })
  t.strictSame(valuesOf(samples, m.balloon.targetBytes), { balloon: 2 ** 27 })
  t.strictSame(valuesOf(samples, m.balloon.actualBytes), { balloon: all })
  t.strictSame(
    namesOf(samples).filter((name) => name.startsWith('kvmio_guest_memory')),
    [],
    'a guest that never answered has no figures',
  )
  t.strictSame(scrape.errors, [['memory', 'gone']])
})

t.test('flushes that qemu does not count are absent, not 0', async (t) => {
  const answer = (await recordedBlockstats('paused')) as { stats: Record<string, unknown> }[]
  const stats = answer.map((entry) => ({
    ...entry,
    stats: { ...entry.stats, flush_operations: 0 },
  }))
  const on = (bus: string) =>
    vm(bus, {
      drives: [drive('root', { bus })],
      qmp: answering(async () => stats),
    })
  const samples = await qmp.collect(await scrapeOf(t, { vms: [on('virtio-blk'), on('nvme')] }))
  t.strictSame(valuesOf(samples, m.drive.flushes), { 'virtio-blk root': 0 })
  t.strictSame(Object.keys(valuesOf(samples, m.drive.writesCompleted)), [
    'virtio-blk root',
    'nvme root',
  ])
})

t.test('two vms of one name are printed once', async (t) => {
  const twice = [vm('a', { cgroup: undefined }), vm('a', { cgroup: undefined })]
  const samples = await collectAll([processes], await scrapeOf(t, { vms: twice }))
  const duplicates: string[] = []
  const page = pageOf(samples, (series) => duplicates.push(series))
  t.equal(page.match(/^kvmio_vm_process_read_bytes_total\{vm="a"\}/gm)?.length, 1)
  t.equal(duplicates.length, 7)
  t.equal(duplicates[0], 'kvmio_vm_process_read_bytes_total{vm="a"}')
})

t.test('a host without anything is a page without errors', async (t) => {
  const scrape = await scrapeOf(t, { iostat: await recordedIostat() })
  const samples = await collectAll(createCollectors(), scrape)
  t.strictSame(scrape.errors, [])
  t.ok(Object.values(valuesOf(samples, m.collectorSuccess)).every((success) => success === 1))
  t.notOk(namesOf(samples).some((name) => /^kvmio_(vm|drive|guest|tier|study)_/.test(name)))
})

// Absent is absent.

for (const [kernel, lacks] of [
  ['constructed-3.10', /discard|flush/],
  ['constructed-4.19', /flush/],
] as const) {
  t.test(`${kernel} has no ${lacks.source}`, async (t) => {
    const diskstats = await readFile(fixture(`${kernel}/proc/diskstats`), 'utf8')
    const root = await hostWith(t, {
      'proc/diskstats': diskstats,
      'sys/block/sda/dev': '8:0\n',
      'sys/block/nvme0n1/dev': '259:0\n',
    })
    const samples = await createDiskstatsCollector().collect(await scrapeOf(t, { root }))
    const names = namesOf(samples)
    t.ok(names.includes('kvmio_device_writes_completed_total'))
    t.strictSame(
      names.filter((name) => lacks.test(name)),
      [],
    )
    t.equal(
      names.some((name) => /discard/.test(name)),
      kernel === 'constructed-4.19',
    )
  })
}

t.test('no cgroups, no series of them', async (t) => {
  const none = await scrapeOf(t, { vms: [vm('a')], hierarchy: undefined })
  t.strictSame(await cgroup.collect(none), [])
  const outside = await scrapeOf(t, { vms: [vm('a', { cgroup: undefined })] })
  t.strictSame(await cgroup.collect(outside), [])
  t.strictSame([...none.errors, ...outside.errors], [])
})

t.test('qemu that was never told to keep histograms has none', async (t) => {
  const answer = await recordedBlockstats('never-armed')
  const vms = [vm('a', { qmp: answering(async () => answer) })]
  const samples = await qmp.collect(
    await scrapeOf(t, { vms, knownVms: [{ ...vms[0]!, running: true }] }),
  )
  t.notOk(namesOf(samples).some((name) => name.includes('latency')))
  t.strictSame(valuesOf(samples, m.drive.writesCompleted), { 'a root': 0, 'a data': 0 })
  t.strictSame(valuesOf(samples, m.vmUp), { a: 1 })
})

t.test('histograms: cumulative, their sum is the exact time', async (t) => {
  const answer = await recordedBlockstats('running')
  const vms = [vm('a', { qmp: answering(async () => answer) })]
  const samples = await qmp.collect(await scrapeOf(t, { vms }))
  const { 'a root': write } = valuesOf(samples, m.driveLatency.write)
  t.match(write, { count: 147, sum: 0.069789923 })
  t.match(write, { counts: [0, 0, 10, 134, 138, 141, 147] })
  t.match(write, { bounds: [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005] })
  const operations = valuesOf(samples, m.drive.writesCompleted)['a root']
  t.equal(operations, 147, 'each operation is in a bucket')
})

t.test('a drive that is not in the plan is not shown', async (t) => {
  const answer = await recordedBlockstats('running')
  const vms = [vm('a', { drives: [drive('data')], qmp: answering(async () => answer) })]
  const samples = await qmp.collect(await scrapeOf(t, { vms }))
  t.strictSame(valuesOf(samples, m.drive.readsCompleted), { 'a data': 3 })
})

// One sick vm.

t.test('a vm whose qemu hangs costs its own series, within the scrape', async (t) => {
  const answer = await recordedBlockstats('running')
  const hangs = vm('b', {
    qmp: {
      query: (_: string, __: unknown, timeoutMs: number) =>
        sleep(timeoutMs).then(() => Promise.reject(new Error(`no answer in ${timeoutMs} ms`))),
    } as never,
  })
  const vms = [vm('a', { qmp: answering(async () => answer) }), hangs]
  const knownVms = vms.map((one) => ({ ...one, running: true }))
  const scrape = await scrapeOf(t, { vms, knownVms, timeoutMs: 100 })
  const samples = await collectAll([qmp], scrape)
  t.strictSame(valuesOf(samples, m.vmUp), { a: 1, b: 0 })
  t.strictSame(valuesOf(samples, m.collectorSuccess), { qmp: 1 })
  t.strictSame(Object.keys(valuesOf(samples, m.drive.readBytes)), ['a root', 'a data'])
  t.strictSame(scrape.errors, [['qmp', 'no answer in 80 ms']])
})

t.test('a process that has gone costs its own series', async (t) => {
  const vms = [vm('a'), vm('b', { pid: 4712 })]
  const scrape = await scrapeOf(t, { vms })
  const samples = await processes.collect(scrape)
  t.strictSame(Object.keys(valuesOf(samples, m.vmProcess.cpuSeconds)), ['a'])
  t.equal(scrape.errors.length, 1)
  t.match(scrape.errors[0]?.[1], /^ENOENT: .*4712/)
})

t.test('a guest that tells nonsense costs its own series', async (t) => {
  const disks = (stat: string) => () => [{ disk: 'vda', drive: 'root', stat }]
  const vms = [
    vm('a', { guestDisks: disks('1 2 3') }),
    vm('b', { guestDisks: disks('1 2 3 4 5 6 7 8 9 10 11') }),
  ]
  const scrape = await scrapeOf(t, { vms })
  const samples = await guest.collect(scrape)
  t.strictSame(valuesOf(samples, m.guestDisk.readsCompleted), { 'b root vda': 1 })
  t.strictSame(scrape.errors, [
    ['guest', 'vm a: vda:1: expected 11, 15, 17 or more fields, found 3'],
  ])
})

// Attribution.

t.test('v1 cannot attribute host-cached writes; v2 can', async (t) => {
  const direct = vm('direct')
  const cached = vm('cached', { drives: [drive('root'), drive('data', { direct: false })] })
  const v1 = await cgroup.collect(await scrapeOf(t, { vms: [direct, cached] }))
  t.strictSame(valuesOf(v1, m.vmDevice.readsCompleted), { 'direct vda': 53, 'cached vda': 53 })
  t.strictSame(valuesOf(v1, m.vmDevice.writesCompleted), { 'direct vda': 200 })
  t.strictSame(valuesOf(v1, m.vmDevice.writtenBytes), { 'direct vda': 819_200 })

  const hierarchy = { version: 2 as const, root: fixture('constructed-cgroup2/cgroup') }
  const root = await hostWith(t, { 'proc/diskstats': `8 0 sda ${'0 '.repeat(17)}\n` })
  const vms = [{ ...cached, cgroup: 'kvmio/vm' }]
  const v2 = await cgroup.collect(await scrapeOf(t, { root, vms, hierarchy }))
  t.strictSame(valuesOf(v2, m.vmDevice.writesCompleted), { 'cached sda': 410 })
})

// Devices.

const TIERS = [{ name: 'sata', kind: 'filesystem' as const, device: 'loop0' }]
const BACKING = { 'sys/block/loop0/loop/backing_file': '/var/disk.img\n' }

t.test('the filter hides devices, but none that a tier stands on', async (t) => {
  const root = await hostWith(t, BACKING)
  const shown = async (showsDevice: (name: string) => boolean, tiers = TIERS) => {
    const scrape = await scrapeOf(t, { root, showsDevice, tiers })
    const samples = await createDiskstatsCollector().collect(scrape)
    return Object.keys(valuesOf(samples, m.device.readsCompleted)).sort()
  }
  t.strictSame(await shown(() => true, []), ['loop0', 'vda', 'zram0'])
  t.strictSame(await shown((name) => name === 'zram0', []), ['zram0'])
  t.strictSame(await shown((name) => name === 'loop0', []), ['loop0', 'vda'], 'with what is below')
  t.strictSame(await shown(() => false), ['loop0', 'vda'])
  t.strictSame(await shown(() => false, []), [])
})

t.test('iostat and the sampler keep to the same filter', async (t) => {
  const hidden = await scrapeOf(t, {
    tiers: [{ name: 'local', kind: 'directory', device: 'vda' }],
    iostat: await recordedIostat(),
    showsDevice: () => false,
  })
  const samples = await iostat.collect(hidden)
  t.strictSame(valuesOf(samples, m.iostat.reads), { vda: 12 })
  t.strictSame(valuesOf(samples, m.iostat.util), { vda: 0 })
  await hidden.sampler.tick()
  const rates = valuesOf(await sampler.collect(hidden), m.deviceTransactions)
  t.strictSame(Object.keys(rates), ['vda'])
})

t.test('iostat that is not there', async (t) => {
  await t.rejects(iostat.collect(await scrapeOf(t)), {
    message: 'iostat has said nothing in its last three intervals',
  })
})

t.test('how devices stand on one another', async (t) => {
  const root = await hostWith(t, BACKING)
  const samples = await createDiskstatsCollector().collect(
    await scrapeOf(t, { root, tiers: TIERS }),
  )
  t.strictSame(valuesOf(samples, m.deviceParentInfo), { 'loop0 vda': 1 })
  t.strictSame(valuesOf(samples, m.deviceInfo), {
    'loop0 7 0 loop      false false': 1,
    'vda 254 0 disk      true true': 1,
    'zram0 253 0 zram      false true': 1,
  })
})

// Tiers.

t.test('a tier: space, vms, capacity', async (t) => {
  const directory = await folder(t)
  const tiers = [
    {
      name: 'local',
      kind: 'directory' as const,
      directory,
      ratedTransactionsPerSecond: 400,
      targetLatency: 0.005,
    },
    { name: 'gone', kind: 'directory' as const, directory: '/no/such/folder' },
    { name: 'lost', kind: 'filesystem' as const, directory, unavailable: 'no loop devices' },
  ]
  const vms = [vm('a'), vm('b', { drives: [drive('x', { tier: 'lost' })] }), vm('c')]
  const scrape = await scrapeOf(t, { tiers, vms })
  const samples = await tier.collect(scrape)
  t.strictSame(valuesOf(samples, m.tierVms), { local: 2, gone: 0, lost: 1 })
  t.strictSame(valuesOf(samples, m.tierAvailable), { local: 1, gone: 1, lost: 0 })
  t.strictSame(valuesOf(samples, m.tierCapacity), { 'local rated any': 400 })
  t.strictSame(valuesOf(samples, m.tierOperationCost), { 'local rated any': 0.0025 })
  t.strictSame(valuesOf(samples, m.tierTargetLatency), { local: 0.005 })
  const { sizeBytes } = await readSpace(directory)
  t.strictSame(valuesOf(samples, m.tierSpace.size), { local: sizeBytes })
  t.match(scrape.errors, [['tier', /^ENOENT: .*\/no\/such\/folder/]])
})

t.test('a tier that was calibrated', async (t) => {
  const measured = { baseLatency: 0.01, residual: 0.02 }
  const calibration = {
    endedAt: 1_795_409_700,
    classes: [
      { class: 'random-read', ...measured, peak: 100, capacity: 80 },
      { class: 'sequential-read', ...measured, peak: 50, bytesPerSecond: 26_214_400 },
    ],
  }
  const sata = { name: 'sata', kind: 'filesystem' as const, ratedTransactionsPerSecond: 120 }
  const samples = await tier.collect(await scrapeOf(t, { tiers: [{ ...sata, calibration }] }))
  const of = (family: Parameters<typeof valuesOf>[1]) => valuesOf(samples, family)
  t.strictSame(of(m.tierCapacity), {
    'sata rated any': 120,
    'sata calibrated random-read': 80,
  })
  t.strictSame(of(m.tierPeak), {
    'sata calibrated random-read': 100,
    'sata calibrated sequential-read': 50,
  })
  t.strictSame(of(m.tierBaseLatency), {
    'sata calibrated random-read': 0.01,
    'sata calibrated sequential-read': 0.01,
  })
  t.strictSame(of(m.tierCapacityBytes), { 'sata calibrated sequential-read': 26_214_400 })
  t.strictSame(of(m.tierCalibrationResidual), {
    'sata random-read': 0.02,
    'sata sequential-read': 0.02,
  })
  t.strictSame(of(m.tierOperationCost), {
    'sata rated any': 1 / 120,
    'sata calibrated random-read': 0.01,
    'sata calibrated sequential-read': 0.02,
  })
  t.strictSame(of(m.tierCalibrationTime), { sata: 1_795_409_700 })
})

t.test('totals of a device go on over a wrap of its times', async (t) => {
  const line = (readMs: number) => `254 0 vda 1 0 8 ${readMs} ${'0 '.repeat(13)}\n`
  const root = await hostWith(t, { 'proc/diskstats': line(2 ** 32 - 1000) })
  const scrape = await scrapeOf(t, { root, sampler: samplerOf(`${root}/proc`, []) })
  const collector = createDiskstatsCollector()
  await collector.collect(scrape)
  await writeFile(`${root}/proc/diskstats`, line(500))
  const samples = await collector.collect(scrape)
  t.strictSame(valuesOf(samples, m.device.readSeconds), { vda: (2 ** 32 + 500) / 1000 })
})

t.test('clients of network filesystems', async (t) => {
  const root = await folder(t)
  const [mountstats, llite] = await Promise.all(
    ['constructed-nfs/proc/self/mountstats', 'constructed-lustre/2.15'].map((path) =>
      readFile(fixture(path), 'utf8'),
    ),
  )
  for (const [path, text] of [
    ['proc/self/mountstats', mountstats!],
    ['proc/fs/lustre/llite/images-ffff8804abcd/stats', llite!],
  ] as const) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  const tierOf = (name: string, filesystem: string, point: string, source: string): Tier => ({
    ...{ name, kind: 'directory', filesystem, mount: { point, source } },
  })
  const tiers = [
    tierOf('filer', 'nfs4', '/mnt/images', '127.0.0.1:/srv/images'),
    tierOf('unmounted', 'nfs', '/mnt/nowhere', 'filer:/x'),
    tierOf('lake', 'lustre', '/mnt/lake', 'mgs@tcp:/images'),
    tierOf('memory', 'tmpfs', '/run', 'tmpfs'),
    { name: 'local', kind: 'directory' as const, filesystem: 'ext4', device: 'vda' },
  ]
  const scrape = await scrapeOf(t, { root, tiers })
  const samples = await client.collect(scrape)
  t.strictSame(valuesOf(samples, m.tierClient.writesCompleted), { filer: 40, lake: 2 })
  t.strictSame(valuesOf(samples, m.tierClient.writtenBytes), { filer: 10_485_760, lake: 5_242_880 })
  t.strictSame(valuesOf(samples, m.tierClient.readSeconds), { filer: 0.12, lake: 0.0125 })
  t.strictSame(valuesOf(samples, m.tierClient.flushes), { filer: 4, lake: 3 })
  t.strictSame(scrape.errors, [])
  t.strictSame(
    await client.collect(await scrapeOf(t, { tiers: [tiers[4]!] })),
    [],
    'nobody is asked',
  )
})

t.test('tiers that are a device, or a volume group that nobody can ask', async (t) => {
  const tiers: Tier[] = [
    { name: 'bare', kind: 'device', target: '/dev/sdb', device: 'sdb', sizeBytes: 1024 },
    { name: 'net', kind: 'url', target: 'nbd://host/{vm}' },
    { name: 'lvm', kind: 'volumeGroup', target: 'vg0', unavailable: 'needs root' },
  ]
  const samples = await tier.collect(await scrapeOf(t, { tiers }))
  t.strictSame(valuesOf(samples, m.tierSpace.size), { bare: 1024 })
  t.strictSame(valuesOf(samples, m.tierSpace.free), {})
  t.strictSame(valuesOf(samples, m.tierInfo), {
    'bare device   /dev/sdb false': 1,
    'net url   nbd://host/{vm} false': 1,
    'lvm volumeGroup   vg0 false': 1,
  })
})

t.test('the device of a logical volume is shown while a vm has it', async (t) => {
  const files = {
    'sys/block/dm-0/dev': '253:0\n',
    'sys/block/dm-0/dm/name': 'vg0-kvmio--demo--1.root\n',
    'sys/block/dm-0/slaves/vda': '',
    'sys/block/dm-1/dev': '253:1\n',
    'sys/block/dm-1/dm/name': 'vg0-kvmio--demo--2.root\n',
  }
  const root = await hostWith(t, files)
  const backend = { kind: 'device' as const, path: '/dev/vg0/kvmio-demo-1.root' }
  const vms = [vm('demo-1', { drives: [drive('root', { backend })] })]
  const scrape = await scrapeOf(t, { root, vms, showsDevice: () => false })
  const samples = await createDiskstatsCollector().collect(scrape)
  const shown = samples.filter(({ family }) => family === m.deviceInfo)
  t.strictSame(
    shown.map(({ labels }) => [labels.device, labels.leaf]),
    [
      ['dm-0', 'false'],
      ['vda', 'true'],
    ],
  )
})

t.test('the limits of a drive; none where it has none', async (t) => {
  const limited = (name: string, throttle: Drive['throttle']) => ({
    ...vm(name, { drives: [drive('root', { throttle })] }),
    running: true,
  })
  const knownVms = [
    limited('free', undefined),
    limited('slow', { iops: 100 }),
    limited('bursts', { bytesPerSecond: 1e6, bytesPerSecondBurst: 2e6, burstLength: 5 }),
  ]
  const samples = await vms.collect(await scrapeOf(t, { knownVms }))
  t.strictSame(valuesOf(samples, m.driveThrottle.operations), { 'slow root': 100 })
  t.strictSame(valuesOf(samples, m.driveThrottle.burstOperations), {})
  t.strictSame(valuesOf(samples, m.driveThrottle.bytes), { 'bursts root': 1e6 })
  t.strictSame(valuesOf(samples, m.driveThrottle.burstBytes), { 'bursts root': 2e6 })
  t.strictSame(valuesOf(samples, m.driveThrottle.burstSeconds), { 'bursts root': 5 })
})

t.test(
  'a filesystem that does not say how large it is has no space, rather than none left',
  async (t) => {
    const tiers = [{ name: 'odd', kind: 'directory' as const, directory: '/proc' }]
    const samples = await tier.collect(await scrapeOf(t, { tiers }))
    t.strictSame(valuesOf(samples, m.tierSpace.size), {})
    t.strictSame(valuesOf(samples, m.tierSpace.free), {})
  },
)
