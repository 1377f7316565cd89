import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Journal } from '../../src/journal/journal.ts'
import { listStudies, readStudy } from '../../src/journal/read-study.ts'
import { openReader } from '../../src/journal/reader.ts'
import { recordBaseline, recordEnd, recordStart } from '../../src/journal/runs.ts'
import { recordSamples } from '../../src/journal/samples.ts'
import { endBlock, openBlock, recordStudy, voidBlock } from '../../src/journal/studies.ts'
import { vmBooted, vmEnded, vmPhases, vmResult } from '../../src/journal/vms.ts'
import { run } from '../../src/lib/process.ts'
import { tmpfs } from '../storage/state.ts'

/** A journal whose clock stands at 1000 s until it is told otherwise. */
async function openJournal(t: Test) {
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-journal-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const file = join(directory, 'journal.sqlite')
  const clock = { now: 1000 }
  const journal = new Journal(file, () => clock.now)
  t.teardown(() => journal.close())
  return { directory, file, clock, journal }
}

function begin(journal: Journal, hash: string): { blockId: number; id: number; vm: number } {
  const study = recordStudy(journal, { name: 'demo', hash, config: { vms: 1 }, seed: 7 })
  const blockId = openBlock(journal, study.id).id
  const { id, vmIds } = recordStart(journal, {
    blockId,
    caseName: 'ide',
    factors: { 'drives.root.bus': 'ide' },
    manifest: { qemu: '7.2.22' },
    vms: [{ name: 'demo-ide-1', plan: { vcpus: 1 } }],
  })
  return { blockId, id, vm: vmIds[0]! }
}

t.test('a study is read back whole', async (t) => {
  const { file, clock, journal } = await openJournal(t)
  const { blockId, id, vm } = begin(journal, 'a')
  recordBaseline(journal, id, { quiet: { vda: 1.5 } })
  vmBooted(journal, vm, 1002)
  vmPhases(journal, vm, 9, [
    { seq: 1, phase: 'boot', uptime: 0 },
    { seq: 2, phase: 'write', uptime: 2.5 },
    { seq: 3, phase: 'off', uptime: 10 },
  ])
  vmResult(journal, vm, 'fio', '{}')
  vmEnded(journal, vm, 'passed', undefined, { drives: [] })
  recordSamples(journal, id, [
    { kind: 'vm', name: 'demo-ide-1', at: 1.02, transactions: 80.5 },
    { kind: 'device', name: 'loop0', at: 1.02, transactions: 95 },
    { kind: 'vm', name: 'demo-ide-1', at: 2.03, transactions: 81 },
  ])
  recordSamples(journal, id, [
    { kind: 'vm', name: 'demo-ide-1', at: 2.03, transactions: 999 }, // told again after a kill
    { kind: 'vm', name: 'demo-ide-1', at: 3.01, transactions: 79 },
  ])
  clock.now = 1015
  recordEnd(journal, id, {
    outcome: 'void',
    reason: 'neighbours',
    findings: { cpu: { busy: 0.5 } },
    counts: [
      {
        layer: 'qemu',
        vmId: vm,
        name: 'root',
        reads: 10,
        writes: 20,
        writtenBytes: 4096,
        flushes: 2,
      },
      { layer: 'device', name: 'loop0', writes: 30, writtenBytes: 8192 },
    ],
  })
  endBlock(journal, blockId)
  voidBlock(journal, blockId, 'the reference case drifted')

  using reader = openReader(file)
  const study = readStudy(reader, 'demo', { samples: true })
  t.strictSame(JSON.parse(JSON.stringify(study)), {
    id: 1,
    name: 'demo',
    hash: 'a',
    seed: 7,
    config: { vms: 1 },
    createdAt: 1000,
    blocks: [
      {
        number: 1,
        startedAt: 1000,
        endedAt: 1015,
        voidReason: 'the reference case drifted',
        runs: [
          {
            id,
            case: 'ide',
            factors: { 'drives.root.bus': 'ide' },
            outcome: 'void',
            reason: 'neighbours',
            startedAt: 1000,
            endedAt: 1015,
            manifest: { qemu: '7.2.22' },
            baseline: { quiet: { vda: 1.5 } },
            findings: { cpu: { busy: 0.5 } },
            counts: [{ layer: 'device', name: 'loop0', writes: 30, writtenBytes: 8192 }],
            vms: [
              {
                name: 'demo-ide-1',
                outcome: 'passed',
                bootTime: 1002,
                plan: { vcpus: 1 },
                phases: [
                  { phase: 'boot', uptime: 0, at: 2, seconds: 2.5 },
                  { phase: 'write', uptime: 2.5, at: 4.5, seconds: 7.5 },
                  { phase: 'off', uptime: 10, at: 12 },
                ],
                lastSample: { drives: [] },
                counts: [
                  {
                    layer: 'qemu',
                    vmId: vm,
                    name: 'root',
                    reads: 10,
                    writes: 20,
                    writtenBytes: 4096,
                    flushes: 2,
                  },
                ],
                results: { fio: '{}' },
              },
            ],
            samples: [
              {
                kind: 'vm',
                name: 'demo-ide-1',
                at: [1.02, 2.03, 3.01],
                transactions: [80.5, 81, 79],
              },
              { kind: 'device', name: 'loop0', at: [1.02], transactions: [95] },
            ],
          },
        ],
      },
    ],
  })
  t.strictSame(readStudy(reader, 'demo')?.blocks[0]?.runs[0]?.samples, [], 'unless asked for')
  t.equal(readStudy(reader, 'other'), undefined)
})

t.test('of several of one name, the one that ran last, or that of a hash', async (t) => {
  const { clock, file, journal } = await openJournal(t)
  begin(journal, 'aaa')
  clock.now = 2000
  begin(journal, 'bbb')
  recordStudy(journal, { name: 'demo', hash: 'ccc', config: {}, seed: 1 }) // has no run
  using reader = openReader(file)
  t.equal(readStudy(reader, 'demo')?.hash, 'bbb')
  t.equal(readStudy(reader, 'demo', { hash: 'a' })?.hash, 'aaa')
  t.equal(readStudy(reader, 'demo', { hash: 'x' }), undefined)
  t.strictSame(
    listStudies(reader).map(({ hash }) => hash),
    ['ccc', 'bbb', 'aaa'],
  )
})

t.test('a reader sees one moment of a journal that is written meanwhile', async (t) => {
  const { file, journal } = await openJournal(t)
  const { id } = begin(journal, 'a')
  using reader = openReader(file)
  t.equal(readStudy(reader, 'demo')?.blocks[0]?.runs[0]?.outcome, undefined)
  recordEnd(journal, id, { outcome: 'passed' })
  t.equal(readStudy(reader, 'demo')?.blocks[0]?.runs[0]?.outcome, undefined, 'still that moment')
  using later = openReader(file)
  t.equal(readStudy(later, 'demo')?.blocks[0]?.runs[0]?.outcome, 'passed')
})

const noRoot = process.geteuid?.() !== 0 && 'needs root to mount a filesystem'
t.test('a journal on a filesystem that is read-only by now', { skip: noRoot }, async (t) => {
  const directory = await tmpfs(t, 'size=4m')
  const file = join(directory, 'journal.sqlite')
  const journal = new Journal(file)
  begin(journal, 'a')
  journal.close()
  await run('mount', ['-o', 'remount,ro', directory])
  using reader = openReader(file)
  t.equal(readStudy(reader, 'demo')?.blocks[0]?.runs[0]?.case, 'ide')
  t.strictSame(await readdir(directory), ['journal.sqlite'])
  const missing = join(directory, 'none.sqlite')
  t.throws(() => openReader(missing), {
    message: `${missing}: cannot be read as a journal: there is none; no study has run yet`,
  })
})
