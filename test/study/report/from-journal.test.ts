import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Journal } from '../../../src/journal/journal.ts'
import { readStudy } from '../../../src/journal/read-study.ts'
import { recordBaseline, recordEnd, recordStart } from '../../../src/journal/runs.ts'
import { recordSamples } from '../../../src/journal/samples.ts'
import {
  endBlock,
  openBlock,
  recordSkipped,
  recordStudy,
  voidBlock,
} from '../../../src/journal/studies.ts'
import { vmBooted, vmEnded, vmPhases, vmResult } from '../../../src/journal/vms.ts'
import { studyResults } from '../../../src/study/report/from-journal.ts'

interface RunWords {
  case: string
  factors: Record<string, string>
  drive?: Record<string, unknown>
  accelerator?: string
  tier?: Record<string, unknown>
}

/** A journal with one study in it, and a clock that each run takes 20 s of. */
async function journalOf(t: Test, study: object, seed = 3) {
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-report-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const clock = { now: 1000 }
  const journal = new Journal(join(directory, 'journal.sqlite'), () => clock.now)
  t.teardown(() => journal.close())
  const config = { study: { hostCache: 'warm', ...study }, guest: {} }
  const row = recordStudy(journal, { name: 'demo', hash: 'a', config, seed })
  return {
    journal,
    studyId: row.id,
    clock,
    begin(words: RunWords) {
      const { id: blockId } = openBlock(journal, row.id)
      const drive = {
        name: 'root',
        tier: 'disk',
        bus: 'ide',
        format: 'qcow2',
        preallocation: 'off',
        cache: 'none',
        backend: { kind: 'file', path: '/x' },
        ...words.drive,
      }
      const plan = { accelerator: words.accelerator ?? 'kvm', drives: [drive] }
      const { id, vmIds } = recordStart(journal, {
        blockId,
        caseName: words.case,
        factors: words.factors,
        manifest: { host: 'desk', tiers: { [drive.tier]: { config: {}, ...words.tier } } },
        vms: [
          { name: 'demo-1', plan },
          { name: 'demo-2', plan },
        ],
      })
      return { id, blockId, vmIds: vmIds as [number, number] }
    },
    results: () => studyResults(readStudy(journal, 'demo', { samples: true })!),
  }
}

const phases = (boot: number, write: number) => [
  { seq: 1, phase: 'boot', uptime: 0 },
  { seq: 2, phase: 'write', uptime: boot },
  { seq: 3, phase: 'off', uptime: boot + write },
]

t.test('a run of the journal is one of the report', async (t) => {
  const { journal, studyId, clock, begin, results } = await journalOf(t, {
    factors: { 'drives.root.bus': ['ide', 'virtio-blk'] },
    reference: { case: 'ide' },
    measure: 'tps',
    scale: 'a tenth',
  })
  const { id, vmIds } = begin({
    case: 'ide',
    factors: { 'drives.root.bus': 'ide' },
    tier: { filesystem: 'ext4', config: { filesystem: { mount: ['sync'] } } },
  })
  clock.now = 1004
  recordBaseline(journal, id, { at: 1004, neighbours: { seconds: 5 } })
  for (const [index, vm] of vmIds.entries()) {
    vmBooted(journal, vm, 1005)
    vmPhases(journal, vm, 1, phases(2 + index, 10 - 2 * index))
    vmResult(journal, vm, 'fio', 'no JSON')
    vmEnded(journal, vm, 'passed')
  }
  recordSamples(journal, id, [
    { kind: 'device', name: 'loop0', at: 4.01, transactions: 1 },
    { kind: 'device', name: 'loop0', at: 8.02, transactions: 90 },
    { kind: 'device', name: 'loop1', at: 8.02, transactions: 10 },
    { kind: 'vm', name: 'demo-1', at: 8.02, transactions: 40 },
    { kind: 'vm', name: 'demo-2', at: 8.02, transactions: 42 },
  ])
  clock.now = 1030
  const guest = (writes: number, flushes?: number) => ({
    layer: 'guest' as const,
    name: 'root',
    reads: 1,
    readBytes: 512,
    writes,
    writtenBytes: writes * 512,
    flushes,
  })
  recordEnd(journal, id, {
    outcome: 'passed',
    findings: { cpu: { busy: 0.95, stolen: 0.2, saturated: true } },
    counts: [
      { ...guest(100, 5), vmId: vmIds[0] },
      { ...guest(50), vmId: vmIds[1] },
      { layer: 'cgroup', vmId: vmIds[0], name: 'loop0', reads: 2, writes: 3 },
      { layer: 'cgroup', vmId: vmIds[0], name: 'vda', reads: 200, writes: 300 },
      { layer: 'device', name: 'loop0', reads: 4, writes: 200, writtenBytes: 1 },
    ],
  })
  begin({ case: 'virtio-blk', factors: { 'drives.root.bus': 'virtio-blk' } })
  const study = results()
  t.match(study, {
    name: 'demo',
    seed: 3,
    reference: 'ide',
    measure: 'tps',
    scale: 'a tenth',
    cases: [
      {
        name: 'ide',
        factors: { bus: 'ide' },
        tier: 'disk',
        accelerator: 'kvm',
        traits: {
          bus: 'ide',
          filesystem: 'ext4',
          mountOptions: 'sync',
          volume: false,
          hostCache: 'warm',
        },
      },
    ],
    skipped: [{ case: 'virtio-blk', reason: /^it never ran: / }],
  })
  const reason = 'this qemu has no virtio-blk'
  recordSkipped(journal, studyId, [{ case: 'other', reason: 'no other' }])
  recordSkipped(journal, studyId, [{ case: 'virtio-blk', reason }])
  t.strictSame(results().skipped, [{ case: 'virtio-blk', reason }], 'as its last execution told')
  t.notOk('notDurable' in study.cases[0]!)
  t.strictSame(study.runs, [
    {
      id,
      case: 'ide',
      block: 1,
      outcome: 'passed',
      remarks: [
        'the host’s processors were busy above 80 %',
        'the host’s own hypervisor took 5 % of its processors or more',
      ],
      startedAt: 1000,
      seconds: 21, // from the baseline to the end, without the watch on neighbours
      vms: 2,
      phases: [
        { name: 'boot', seconds: 3 },
        { name: 'write', seconds: 10 },
      ],
      layers: {
        guest: { reads: 2, writes: 150, readBytes: 1024, writtenBytes: 76_800 },
        cgroup: { reads: 2, writes: 3 },
        device: { reads: 4, writes: 200, writtenBytes: 1 },
      },
      samples: [
        { second: 4.01, device: 1 },
        { second: 8.02, device: 100, vms: 82, phase: 'write' },
      ],
      manifest: {
        host: 'desk',
        tiers: { disk: { config: { filesystem: { mount: ['sync'] } }, filesystem: 'ext4' } },
      },
    },
  ])
})

t.test('cases stand in the order of the plan, and named values say what they set', async (t) => {
  const { journal, begin, results } = await journalOf(t, {
    factors: {
      run: { first: { hostCache: 'cold' }, second: { hostCache: 'warm' } },
    },
    include: [{ name: 'lvm', 'drives.root.tier': 'lvm' }],
  })
  for (const [name, factors, drive] of [
    [
      'lvm',
      { 'drives.root.tier': 'lvm' },
      { tier: 'lvm', format: 'raw', backend: { kind: 'device', path: '/dev/x' } },
    ],
    ['second', { run: 'second' }, {}],
    ['first', { run: 'first' }, {}],
  ] as const) {
    const { id } = begin({ case: name, factors: { ...factors } as Record<string, string>, drive })
    recordEnd(journal, id, { outcome: 'passed' })
  }
  const { cases } = results()
  t.match(cases, [
    { name: 'first', traits: { hostCache: 'cold' } },
    { name: 'second', traits: { hostCache: 'warm' } },
    { name: 'lvm', traits: { volume: true }, factors: { tier: 'lvm' } },
  ])
})

t.test('what is not durable says why, and two accelerators are two cases', async (t) => {
  const { journal, begin, results } = await journalOf(t, {})
  const end = (words: RunWords) => recordEnd(journal, begin(words).id, { outcome: 'passed' })
  end({ case: 'unsafe', factors: {}, drive: { cache: 'unsafe' } })
  end({ case: 'memory', factors: {}, tier: { filesystem: 'tmpfs' } })
  end({ case: 'nobarrier', factors: {}, tier: { mountOptions: ['rw', 'nobarrier'] } })
  end({ case: 'both', factors: {} })
  end({ case: 'both', factors: {}, accelerator: 'tcg' })
  const said = results().cases.map(({ name, accelerator, notDurable }) => [
    name,
    accelerator,
    notDurable,
  ])
  t.strictSame(said, [
    ['unsafe', 'kvm', 'drive root has cache unsafe, which swallows flushes'],
    ['memory', 'kvm', 'tier disk is in memory (tmpfs)'],
    ['nobarrier', 'kvm', 'tier disk is mounted with nobarrier'],
    ['both (kvm)', 'kvm', undefined],
    ['both (tcg)', 'tcg', undefined],
  ])
})

t.test('runs of a void block are void, with the reason', async (t) => {
  const { journal, begin, results } = await journalOf(t, {})
  const { id, blockId } = begin({ case: 'only', factors: {} })
  recordEnd(journal, id, { outcome: 'passed' })
  endBlock(journal, blockId)
  voidBlock(journal, blockId, 'the reference drifted')
  recordEnd(journal, begin({ case: 'only', factors: {} }).id, { outcome: 'failed', reason: 'hung' })
  t.match(results().runs, [
    { outcome: 'void', reason: 'its block is void: the reference drifted', block: 1 },
    { outcome: 'failed', reason: 'hung', block: 2 },
  ])
})
