import { execFileSync } from 'node:child_process'
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { KnownVm } from '../../src/attribution/records.ts'
import { COLLECTOR_NAMES, createCollectors } from '../../src/collector/all.ts'
import { collectAll } from '../../src/collector/collector.ts'
import type { DensityRecord } from '../../src/collector/density.ts'
import { recordEnd, recordStart } from '../../src/journal/runs.ts'
import { endBlock, openBlock, recordStudy } from '../../src/journal/studies.ts'
import { vmPhases } from '../../src/journal/vms.ts'
import { catalog } from '../../src/metrics/catalog.ts'
import { createImageReader } from '../../src/sampler/image-reader.ts'
import { createDescriptorReader, createMemoryReader } from '../../src/sampler/process-readers.ts'
import { golden } from '../golden.ts'
import { pageOf } from '../metrics/exposition.ts'
import { fixture } from '../source/fixtures.ts'
import { findTool, lacking } from '../tools.ts'
import {
  answering,
  drive,
  emptyJournal,
  folder,
  hostWith,
  NO_DENSITY,
  recordedBalloon,
  recordedBlockstats,
  recordedGuestDisks,
  recordedIostat,
  samplerOf,
  scrapeOf,
  vm,
} from './host.ts'

const NAME = 'demo-virtio-blk-qcow2'

t.test('the whole page of a recorded host', async (t) => {
  const page = await recordedPage(t)
  golden(t, 'metrics.prom', page)
  t.test('is clean', { skip: lacking('promtool') }, async (t) => {
    const said = execFileSync(findTool('promtool')!, ['check', 'metrics'], { input: page })
    t.equal(String(said), '')
  })
})

t.test('each family of the catalog is on one of the golden pages', async (t) => {
  const folder = new URL('../golden/', import.meta.url)
  const names = (await readdir(folder)).filter((name) => /^metrics.*\.prom$/.test(name))
  const pages = await Promise.all(names.map((name) => readFile(new URL(name, folder), 'utf8')))
  t.strictSame(names.sort(), ['metrics-old.prom', 'metrics-stack.prom', 'metrics.prom'])
  t.strictSame(
    catalog.filter(({ name }) => !pages.some((page) => page.includes(`# TYPE ${name} `))),
    [],
  )
})

t.test('each collector has its name in the list', async (t) => {
  t.strictSame(
    createCollectors().map(({ name }) => name),
    [...COLLECTOR_NAMES],
  )
})

/** Vms: one that has written, one whose qemu does not answer, one that has ended, one of a newer qemu on other disks. */
async function recordedPage(t: Parameters<typeof scrapeOf>[0]): Promise<string> {
  const { tiers, directory } = await twoTiers(t)
  // The recorded host had no file under its loop device any more.
  const backing = { 'sys/block/loop0/loop/backing_file': '/var/lib/kvmio/sata-7200/disk.img\n' }
  const mountstats = await readFile(fixture('constructed-nfs/proc/self/mountstats'), 'utf8')
  const root = await hostWith(t, {
    ...backing,
    'proc/self/mountstats': mountstats,
    'proc/4711/limits':
      'Max open files            1024                 1048576              files     \n',
    ...Object.fromEntries([0, 1, 2, 9].map((fd) => [`proc/4711/fd/${fd}`, ''])),
  })
  const clock = { now: 0 }
  const [before, now, zoned] = await Promise.all([
    recordedBlockstats('paused'),
    recordedBlockstats('running'),
    readFile(fixture('constructed-qemu-zoned-nvme/qmp/blockstats.json'), 'utf8'),
  ])
  const disks = await recordedGuestDisks()
  const balloon = await recordedBalloon('balloon')
  const writing = vm(`${NAME}-1`, {
    qmp: answering(
      async (command) => balloon[command] ?? (clock.now < 2000 ? before : now),
      1795409708.5,
    ),
    balloon: { targetBytes: 128 * 2 ** 20 },
    guestDisks: () => disks,
  })
  const path = join(directory, 'root.raw')
  await writeFile(path, Buffer.alloc(8192, 1))
  await truncate(path, 2 ** 20)
  const throttle = { iops: 100, iopsBurst: 200, bytesPerSecond: 1e6, bytesPerSecondBurst: 2e6 }
  const special = vm(`${NAME}-4`, {
    slot: 4,
    cgroup: undefined,
    qmp: answering(async () => JSON.parse(zoned)),
    drives: [
      drive('root', { format: 'raw', backend: { kind: 'file', path }, throttle }),
      drive('data', { backend: { kind: 'url', url: 'nvme://0000:01:00.0/1' }, sizeBytes: 2 ** 30 }),
    ],
  })
  const silent = vm(`${NAME}-2`, {
    slot: 2,
    qmp: answering(() => Promise.reject(new Error('no answer')), 1795409600.25),
    drives: [drive('root', { cache: 'writeback', direct: false })],
  })
  const {
    pid: _,
    qmp: __,
    guestDisks: ___,
    memoryBytes: _____,
    cgroup: ____,
    ...identity
  } = vm(`${NAME}-3`, { slot: 3 })
  const knownVms: KnownVm[] = [
    { ...writing, running: true, phase: { name: 'settle', startTime: 1795409703.97 } },
    { ...silent, running: true, outcome: 'passed' },
    { ...identity, running: false, outcome: 'failed' },
    { ...special, running: true },
  ]
  const sampler = samplerOf(join(root, 'proc'), [writing, silent], clock)
  for (const time of [1000, 2000]) {
    clock.now = time
    await sampler.tick()
  }
  const options = {
    procRoot: join(root, 'proc'),
    vms: () => [special],
    onError: (source: string) => t.fail(source),
  }
  const memory = createMemoryReader(options)
  const descriptors = createDescriptorReader(options)
  const images = createImageReader({ ...options, sysRoot: join(root, 'sys'), tiers: () => tiers })
  for (const reader of [memory, descriptors, images]) await reader.tick()
  const scrape = await scrapeOf(t, {
    root,
    ...{ memory, descriptors, images },
    vms: [writing, silent, special],
    knownVms,
    tiers,
    sampler,
    studies: [
      {
        name: 'demo',
        run: { case: 'virtio-blk-qcow2', block: 2, id: 4 },
        progress: { done: 3, of: 24, planned: 24, left: 600 },
      },
      { name: 'resting', paused: 'space', progress: { done: 1, of: 4 } },
    ],
    journal: await someRuns(t),
    density: () => RAMPED,
    iostat: await recordedIostat(),
    showsDevice: (name) => !name.startsWith('zram'),
  })
  const samples = await collectAll(createCollectors(), scrape, () => 0)
  const page = pageOf(samples, (series) => t.fail(`twice: ${series}`))
  t.strictSame(scrape.errors, [['qmp', 'no answer']], 'a sick vm costs its own series alone')
  return page
    .replaceAll(directory, '/srv/local')
    .replaceAll(/^(kvmio_(?:tier_space|drive_image_allocated)_\w+\{.*\}) \d+$/gm, '$1 4096') // this machine's own
    .replaceAll(
      /(image="\/srv\/local\/root.raw",format="raw"),.*/g,
      '$1,filesystem="ext4",mountpoint="/",device="vda"} 1',
    ) // likewise
}

/** A guest that has been ramped on a tier, and whose demand the config states too. */
const RAMPED: DensityRecord = {
  ...NO_DENSITY,
  guests: [{ guest: 'student', memoryBytes: 320 * 2 ** 20 }],
  demands: [
    {
      ...{ tier: 'local', guest: 'student', source: 'stated' },
      ...{ mean: 0.05, sigma: 0.1, correlation: 0 },
    },
    {
      ...{ tier: 'local', guest: 'student', source: 'journal' },
      ...{ mean: 0.04, sigma: 0.04, correlation: 0.125 },
    },
  ],
  ramps: [
    {
      ...{ tier: 'local', guest: 'student', measured: 8 },
      predicted: [
        { method: 'paper', vms: 25 },
        { method: 'capped', vms: 17 },
        { method: 'sigma', vms: 9 },
      ],
    },
  ],
}

async function twoTiers(t: Parameters<typeof scrapeOf>[0]) {
  const directory = await folder(t)
  const tiers = [
    {
      name: 'local',
      kind: 'directory' as const,
      directory,
      filesystem: 'ext4',
      device: 'vda',
      targetLatency: 0.005,
      ratedTransactionsPerSecond: 400,
      calibration: {
        endedAt: 1795409000,
        classes: [
          { class: 'random-read', baseLatency: 0.002, peak: 500, residual: 0.01, capacity: 300 },
          {
            ...{ class: 'sequential-read', baseLatency: 0.004, peak: 250, residual: 0.02 },
            ...{ bytesPerSecond: 131072000, capacity: 50 },
          },
        ],
      },
    },
    { name: 'sata-7200', kind: 'filesystem' as const, unavailable: 'no loop devices' },
    {
      name: 'filer',
      kind: 'directory' as const,
      filesystem: 'nfs4',
      mount: { point: '/mnt/images', source: '127.0.0.1:/srv/images' },
    },
  ]
  return { tiers, directory }
}

/** Two blocks of a study: three runs that ended, one that goes on. */
async function someRuns(t: Parameters<typeof scrapeOf>[0]) {
  const journal = await emptyJournal(t, () => 1795409700)
  const study = recordStudy(journal, { name: 'demo', hash: 'hash', config: {}, seed: 1 })
  const runs = [
    ['virtio-blk-qcow2', 'passed', 0.34],
    ['virtio-blk-raw', 'passed', 12.5],
    ['ide-raw', 'failed', 99],
    ['virtio-blk-qcow2', 'void', 99],
    ['virtio-blk-qcow2', undefined, 99],
  ] as const
  for (const [index, [caseName, outcome, writeSeconds]] of runs.entries()) {
    const block = openBlock(journal, study.id)
    const vms = [1, 2].map((slot) => ({ name: `demo-${caseName}-${slot}`, plan: {} }))
    const run = { blockId: block.id, caseName, factors: {}, manifest: {}, vms }
    const { id, vmIds } = recordStart(journal, run)
    for (const [slot, vmId] of vmIds.entries()) {
      vmPhases(journal, vmId, 100, [
        { seq: 1, phase: 'boot', uptime: 0 },
        { seq: 6, phase: 'write', uptime: 3.5 + slot },
        { seq: 9, phase: 'off', uptime: 3.5 + slot + writeSeconds },
      ])
    }
    if (outcome) recordEnd(journal, id, { outcome })
    if (index === 2) endBlock(journal, block.id)
  }
  return journal
}
