import { join } from 'node:path'
import t from 'tap'
import { findStudies } from '../../../src/cli/studies.ts'
import { loadConfig } from '../../../src/config/load.ts'
import type { ImageDriveConfig } from '../../../src/config/passthrough.ts'
import { planCases } from '../../../src/study/plan.ts'
import { analyse } from '../../../src/study/report/analysis.ts'
import { paperPart } from '../../../src/study/report/paper.ts'
import { constructedCase, constructedStudy, noise } from './constructed-study.ts'

t.test('every part of the paper is there, by its name alone or in its suite', async (t) => {
  const parts = [
    'buses',
    'ide-optimizations',
    'virtio-optimizations',
    'ext4',
    'filesystems',
    'lvm',
    'cache',
  ]
  for (const name of parts) t.ok(paperPart(name)?.claims.length, name)
  t.equal(paperPart('paper-lvm')?.figure, 'Figure 7 of the paper')
  t.equal(paperPart('paper-small-ide-optimizations')?.figure, 'Figure 3 of the paper')
  t.equal(paperPart('my-cache'), undefined)
  t.equal(paperPart('demo'), undefined)
})

const random = noise(8, 0.02)

t.test('a claim that one case is above another', async (t) => {
  const cases = [
    constructedCase('ide', { bus: 'ide' }),
    constructedCase('sata', { bus: 'sata' }),
    constructedCase('virtio-blk', { bus: 'virtio-blk' }),
  ]
  const seconds: Record<string, number> = { ide: 20, sata: 8, 'virtio-blk': 10 }
  const results = constructedStudy('buses', cases, 8, (name) => seconds[name]! * random())
  t.match(analyse(results).paper, {
    figure: 'Figure 2 of the paper',
    claims: [
      {
        agreement: 'agrees',
        shows: [{ sentence: /^virtio-blk over ide: (1\.9|2\.0)\d times as fast \[/ }],
      },
      {
        agreement: 'disagrees',
        shows: [{ sentence: /^virtio-blk over sata: 0\.[78]\d times as fast/ }],
      },
      { agreement: 'not measured', shows: [] },
    ],
  })
  const few = constructedStudy('buses', cases, 4, (name) => seconds[name]!)
  t.match(analyse(few).paper!.claims[0], {
    agreement: 'open',
    shows: [
      {
        sentence: 'virtio-blk over ide: 2.00 times as fast (no interval below 6 blocks), 4 blocks',
      },
    ],
  })
})

t.test('a claim that two are the same, and one with a logical volume in it', async (t) => {
  const cases = [
    constructedCase('qcow2'),
    constructedCase('metadata', { preallocation: 'metadata' }),
    constructedCase('raw', { format: 'raw' }),
    constructedCase('lvm', { format: 'raw', volume: true, filesystem: undefined }, { tier: 'vg' }),
  ]
  const seconds: Record<string, number> = { qcow2: 10, metadata: 10, raw: 7, lvm: 10.4 }
  const results = constructedStudy(
    'virtio-optimizations',
    cases,
    8,
    (name) => seconds[name]! * random(),
  )
  t.match(analyse(results).paper!.claims, [
    { agreement: 'agrees', shows: [{ comparison: { case: 'metadata', reference: 'qcow2' } }] },
    { agreement: 'disagrees', shows: [{ comparison: { case: 'raw', reference: 'qcow2' } }] },
    { agreement: 'agrees', shows: [{ comparison: { case: 'lvm', reference: 'qcow2' } }] },
  ])
})

t.test('figures: a peak, a mean, and none at another scale', async (t) => {
  const cases = [
    constructedCase('first', { hostCache: 'cold' }),
    constructedCase('second'),
    constructedCase('sync', { mountOptions: 'sync' }),
  ]
  const results = constructedStudy('ext4', cases, 6, (_, block) => 100 + block / 10)
  for (const run of results.runs) {
    const quiet = run.case === 'second'
    run.layers.device = { reads: quiet ? 0 : 1200, writes: 500 }
    run.samples = [{ second: 1, device: run.case === 'first' ? 140 : 5 }]
  }
  const { claims } = analyse(results).paper!
  t.match(
    claims.map(({ agreement }) => agreement),
    ['agrees', 'agrees', 'agrees', 'agrees'],
  )
  t.match(claims[0]!.shows[0]!.sentence, 'first: 140/s [140, 140], held against at least 100/s')
  const scaled = analyse({ ...results, scale: 'a tenth of the size' }).paper!
  t.match(
    scaled.claims.map(({ agreement }) => agreement),
    ['open', 'agrees', 'agrees', 'open'],
  )
})

t.test('only cases that are alike in all else are held against each other', async (t) => {
  const cases = ['raw', 'qcow2'].flatMap((format) =>
    ['none', 'writeback', 'writethrough'].map((cache) =>
      constructedCase(`${format}-${cache}`, { format, cache }),
    ),
  )
  const results = constructedStudy('cache', cases, 6, (name, block) => name.length + block / 10)
  const { claims } = analyse(results).paper!
  const pairs = claims.map(({ shows }) =>
    shows.map(({ comparison }) => [comparison!.case, comparison!.reference]),
  )
  t.strictSame(pairs, [
    [
      ['raw-none', 'raw-writethrough'],
      ['qcow2-none', 'qcow2-writethrough'],
    ],
    [
      ['raw-writeback', 'raw-none'],
      ['qcow2-writeback', 'qcow2-none'],
    ],
    [['raw-none', 'qcow2-none']],
    [],
  ])
  t.match(claims[2]!.shows[0]!.sentence, /; below the published 5\.00$/)
})

t.test('the suite that is shipped has the cases that the claims are about', async (t) => {
  const folder = join(import.meta.dirname, '../../../studies')
  const config = await loadConfig(join(folder, 'kvmio.yaml'))
  for (const suite of ['paper', 'paper-small', 'paper-lab']) {
    const studies = await findStudies([join(folder, `${suite}.yaml`)], config)
    t.equal(studies.length, 7, suite)
    for (const { name, study, guest } of studies) {
      const cases = planCases(study, guest, config.tiers).map((point) => {
        const {
          tier: tierName,
          bus,
          format,
          preallocation,
          cache,
        } = point.guest.drives.root as ImageDriveConfig
        const tier = config.tiers[tierName]!
        const mount = tier.filesystem?.mount ?? []
        return constructedCase(point.name, {
          ...{ bus, format, preallocation, cache },
          filesystem: tier.filesystem?.type,
          volume: tier.volumeGroup !== undefined,
          hostCache: point.study.hostCache,
          ...(mount.length > 0 && { mountOptions: mount.join(',') }),
        })
      })
      const results = constructedStudy(name, cases, 1, () => 10)
      const { paper } = analyse(results)
      t.ok(paper, `${name} is a part of the paper`)
      for (const { found, shows } of paper!.claims) t.not(shows.length, 0, `${name}: ${found}`)
    }
  }
})
