import t from 'tap'
import { findStudies } from '../../src/cli/studies.ts'
import { loadConfig } from '../../src/config/load.ts'
import { measureOf } from '../../src/config/phases.ts'
import { planCases } from '../../src/study/plan.ts'

// The suites of studies/, planned on the config beside them as on a host that can have all of it: what this host lacks is
// not asked for here.

const config = await loadConfig('studies/kvmio.yaml')

async function planned(suite: string) {
  const found = await findStudies([suite], config)
  return found.map(({ name, study, guest }) => ({
    name,
    study,
    cases: planCases(study, guest, config.tiers),
  }))
}

/** What each figure compares, with the case that the others are held against. */
const FIGURES: Record<string, { cases: string[]; reference: string; workload: string }> = {
  buses: { cases: ['ide', 'scsi', 'sata', 'virtio-blk'], reference: 'ide', workload: 'install' },
  'ide-optimizations': {
    cases: ['qcow2', 'qcow2-metadata', 'raw'],
    reference: 'qcow2',
    workload: 'install',
  },
  'virtio-optimizations': {
    cases: ['qcow2', 'qcow2-metadata', 'raw', 'lvm'],
    reference: 'qcow2',
    workload: 'install',
  },
  ext4: {
    cases: ['first', 'second', 'sync'],
    reference: 'second',
    workload: 'boot-write-shutdown',
  },
  filesystems: {
    cases: ['ext4', 'ext3', 'ext2', 'reiserfs', 'xfs', 'btrfs'],
    reference: 'ext4',
    workload: 'boot-write-shutdown',
  },
  lvm: {
    cases: ['ext4', 'ext3', 'ext2', 'reiserfs', 'lvm'],
    reference: 'ext4',
    workload: 'boot-write-shutdown',
  },
  cache: {
    cases: ['none', 'writeback', 'writethrough'].flatMap((cache) =>
      ['qcow2', 'qcow2-metadata', 'raw'].map((image) => `${cache}-${image}`),
    ),
    reference: 'none-raw',
    workload: 'install',
  },
}

for (const suite of ['paper', 'paper-small', 'paper-lab']) {
  t.test(`${suite} has a part for each figure, and every case is one that can be`, async (t) => {
    const parts = await planned(suite)
    t.strictSame(
      parts.map(({ name }) => name),
      Object.keys(FIGURES).map((part) => `${suite}-${part}`),
    )
    for (const { name, study, cases } of parts) {
      const figure = FIGURES[name.slice(suite.length + 1)]!
      t.strictSame(
        cases.map(({ name }) => name),
        figure.cases,
        name,
      )
      t.strictSame(
        cases.flatMap(({ name, skip }) => (skip === undefined ? [] : [[name, skip]])),
        [],
        name,
      )
      t.equal(study.reference?.case, figure.reference, name)
      t.equal(study.workload.kind, figure.workload, name)
      t.equal(study.blocks.min, 6, 'no interval from fewer than six blocks')
      t.equal(study.blocks.width, suite === 'paper' ? 0.05 : 0.1)
      t.equal(study.reference?.drift, suite === 'paper' ? 0.05 : 0.25)
      t.equal(measureOf(study), figure.workload === 'install' ? 'install' : 'tps', name)
    }
  })
}

t.test('the parts differ in what the figures compare, and in nothing else', async (t) => {
  const parts = new Map((await planned('paper')).map((part) => [part.name, part]))
  const rootOf = (part: string) =>
    parts.get(`paper-${part}`)!.cases.map(({ guest, study }) => {
      const { bus, format, preallocation, cache, tier } = guest.drives.root!
      return { bus, format, preallocation, cache, tier, hostCache: study.hostCache }
    })
  const base = {
    bus: 'virtio-blk',
    format: 'qcow2',
    preallocation: 'off',
    cache: 'none',
    tier: 'ext4',
    hostCache: 'warm',
  }
  const images = [{}, { preallocation: 'metadata' }, { format: 'raw' }]
  const all = (from: object, differences: object[]) =>
    differences.map((difference) => ({ ...base, ...from, ...difference }))
  t.strictSame(
    rootOf('buses'),
    all({}, [{ bus: 'ide' }, { bus: 'scsi' }, { bus: 'sata' }, { bus: 'virtio-blk' }]),
  )
  t.strictSame(rootOf('ide-optimizations'), all({ bus: 'ide' }, images))
  t.strictSame(rootOf('virtio-optimizations'), all({}, [...images, { format: 'raw', tier: 'lvm' }]))
  const cached = { cache: 'writeback' }
  t.strictSame(rootOf('ext4'), all(cached, [{ hostCache: 'cold' }, {}, { tier: 'ext4-sync' }]))
  const tiers = (...names: string[]) => names.map((tier) => ({ tier }))
  t.strictSame(
    rootOf('filesystems'),
    all(cached, tiers('ext4', 'ext3', 'ext2', 'reiserfs', 'xfs', 'btrfs')),
  )
  t.strictSame(
    rootOf('lvm'),
    all(cached, [...tiers('ext4', 'ext3', 'ext2', 'reiserfs'), { tier: 'lvm', format: 'raw' }]),
  )
  t.strictSame(
    rootOf('cache'),
    ['none', 'writeback', 'writethrough'].flatMap((cache) => all({ bus: 'ide', cache }, images)),
  )
})

t.test('the sizes are those of the paper, and smaller with a sentence that says so', async (t) => {
  const GIB = 2 ** 30
  const sizes = async (suite: string) =>
    (await planned(suite)).map(({ study, cases }) => ({
      scale: study.scale,
      drives: new Set(cases.map(({ guest }) => guest.drives.root?.size)),
      works: cases.map(({ study: { workload } }) => workload),
    }))
  for (const { scale, drives, works } of await sizes('paper')) {
    t.equal(scale, undefined)
    t.strictSame(drives, new Set([5 * GIB]))
    for (const work of works) {
      const whole = { kind: 'boot-write-shutdown', write: 2 * GIB, settle: 100, direct: false }
      t.match(work, work.kind === 'install' ? { packages: 'debian' } : whole)
    }
  }
  for (const { scale, drives, works } of await sizes('paper-small')) {
    t.match(scale, /^64 MiB written in place of 2 GiB, 5 s of waiting in place of 100 s/)
    t.strictSame(drives, new Set([2 * GIB]))
    for (const work of works) {
      const small = { kind: 'boot-write-shutdown', write: 64 * 2 ** 20, settle: 5 }
      t.match(work, work.kind === 'install' ? { packages: 'minimal' } : small)
    }
  }
  for (const { scale, drives, works } of await sizes('paper-lab')) {
    t.match(scale, /^64 MiB written in .*, a guest that boots from memory, on an emulated host$/)
    t.strictSame(drives, new Set([GIB]))
    for (const work of works) {
      const small = { kind: 'boot-write-shutdown', write: 64 * 2 ** 20, settle: 5 }
      t.match(work, work.kind === 'install' ? { packages: 'minimal' } : small)
    }
  }
})

t.test('a host that is emulated itself has guests that boot from memory', async (t) => {
  for (const { name, cases } of await planned('paper-lab'))
    for (const { guest } of cases) t.equal(guest.system, 'appliance', name)
})

t.test('modern: every case past the host cache, so that all are as durable', async (t) => {
  const parts = await planned('modern')
  t.strictSame(
    Object.fromEntries(
      parts.map(({ name, study, cases }) => [
        name.slice('modern-'.length),
        cases.map(({ name }) => (name === study.reference?.case ? `${name}, the reference` : name)),
      ]),
    ),
    {
      aio: ['threads, the reference', 'native', 'io-uring'],
      iothreads: ['main, the reference', 'own'],
      nvme: ['virtio-blk, the reference', 'virtio-scsi', 'nvme'],
      discard: ['ignore, the reference', 'unmap'],
      'cluster-size': ['64k, the reference', '256k', '2m', '128k-sub'],
      backing: ['one, the reference', 'four', 'sixteen'],
    },
  )
  for (const { name, study, cases } of parts) {
    t.match(study.blocks, { min: 6, width: 0.05 })
    for (const point of cases) {
      t.equal(point.skip, undefined, `${name}: ${point.name}`)
      t.equal(point.guest.drives.root?.cache, 'none', `${name}: ${point.name}`)
    }
  }
})

t.test('the main config lacks what the whole paper needs, and is told so', async (t) => {
  const main = await loadConfig('kvmio.yaml')
  await t.rejects(findStudies(['studies/paper.yaml'], main), {
    message:
      /^.*paper\.yaml: .*\/kvmio\.yaml does not have its tiers btrfs, ext2, ext3, ext4, ext4-sync, lvm, reiserfs, xfs; try --config\.file .*studies\/kvmio\.yaml$/,
  })
  const [buses] = await findStudies(['studies/paper-small.yaml#buses'], main)
  t.match(buses, { name: 'paper-small-buses', guest: { drives: { root: { tier: 'sata-7200' } } } })
})
