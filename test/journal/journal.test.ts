import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { Journal } from '../../src/journal/journal.ts'
import { isPaused, pauseStudy, resumeStudy } from '../../src/journal/pauses.ts'
import { type RunStart, recordEnd, recordStart, unfinishedRuns } from '../../src/journal/runs.ts'
import {
  blockRuns,
  blocksEnded,
  endBlock,
  openBlock,
  recordStudy,
  runsDone,
  voidBlock,
  voidBlocksInRow,
} from '../../src/journal/studies.ts'
import {
  blockCounts,
  firstUnfinishedRun,
  phaseDurations,
  runCounts,
} from '../../src/journal/totals.ts'
import { hostVerdict, setHostVerdict } from '../../src/journal/verdicts.ts'
import {
  runResults,
  vmBooted,
  vmEnded,
  vmPhases,
  vmResult,
  vmStarted,
} from '../../src/journal/vms.ts'
import { tmpfs } from '../storage/state.ts'

/** The path of a journal that is not there yet, gone when the test has ended. */
async function journalFile(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-journal-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return join(directory, 'journal.sqlite')
}

/** A journal whose clock stands at 1000 s until it is told otherwise. */
async function openJournal(t: Test) {
  const file = await journalFile(t)
  const clock = { now: 1000 }
  const journal = new Journal(file, () => clock.now)
  t.teardown(() => journal.close())
  return { file, clock, journal }
}

function runOf(blockId: number, more: Partial<RunStart> = {}): RunStart {
  return {
    blockId,
    caseName: 'ide-raw',
    factors: { 'drives.root.bus': 'ide' },
    manifest: { qemu: '7.2.22' },
    vms: [{ name: 'demo-ide-raw-1', plan: { vcpus: 1 } }],
    ...more,
  }
}

function rows(file: string, sql: string): unknown[] {
  using db = new DatabaseSync(file, { readOnly: true })
  return db
    .prepare(sql)
    .all()
    .map((row) => ({ ...row }))
}

t.test('a fresh one has its tables and its version, and opens again', async (t) => {
  const file = await journalFile(t)
  new Journal(file).close()
  t.strictSame(rows(file, 'PRAGMA user_version'), [{ user_version: 5 }])
  t.strictSame(rows(file, 'PRAGMA journal_mode'), [{ journal_mode: 'wal' }])
  const { id } = (() => {
    const journal = new Journal(file)
    const study = recordStudy(journal, { name: 'demo', hash: 'h', config: {}, seed: 1 })
    journal.close()
    return study
  })()
  const again = new Journal(file)
  t.equal(recordStudy(again, { name: 'demo', hash: 'h', config: {}, seed: 2 }).id, id)
  again.close()
})

t.test('one that a newer kvmio wrote is refused and left as it is', async (t) => {
  const file = await journalFile(t)
  {
    using db = new DatabaseSync(file)
    db.exec('CREATE TABLE studies (later TEXT); PRAGMA user_version = 99')
  }
  const before = await readFile(file)
  t.throws(() => new Journal(file), {
    name: 'KvmioError',
    message: `${file}: written by a newer kvmio (journal version 99, this one knows 5); nothing was changed`,
  })
  t.ok(before.equals(await readFile(file)), 'not a byte')
  t.strictSame(await readdir(join(file, '..')), ['journal.sqlite'], 'and nothing beside it')
})

t.test('what cannot be a journal is told so, and left as it is', async (t) => {
  const file = await journalFile(t)
  const text = 'these are the notes of somebody else, and no database at all\n'.repeat(20)
  await writeFile(file, text)
  t.throws(() => new Journal(file), {
    message: `${file}: cannot be used as a journal: file is not a database`,
  })
  t.equal(await readFile(file, 'utf8'), text)
  const missing = join(file, '../no/such/journal.sqlite')
  t.throws(() => new Journal(missing), {
    message: `${missing}: cannot be used as a journal: ENOENT: no such file or directory, open '${missing}'`,
  })
})

const noRoot = process.geteuid?.() !== 0 && 'needs root to mount a read-only filesystem'
t.test('a read-only directory', { skip: noRoot }, async (t) => {
  const file = join(await tmpfs(t, 'ro,size=1m'), 'journal.sqlite')
  t.throws(() => new Journal(file), {
    message: `${file}: cannot be used as a journal: EROFS: read-only file system, open '${file}'`,
  })
})

t.test('a step that fails leaves nothing of itself', async (t) => {
  const file = await journalFile(t)
  {
    using db = new DatabaseSync(file)
    db.exec('CREATE TABLE runs (other TEXT)') // in the way of the third statement of the first step
  }
  t.throws(() => new Journal(file), {
    message: `${file}: cannot be used as a journal: table runs already exists`,
  })
  t.strictSame(rows(file, 'SELECT name FROM sqlite_schema'), [{ name: 'runs' }])
  t.strictSame(rows(file, 'PRAGMA user_version'), [{ user_version: 0 }])
})

t.test('studies: the same name and content is the same study, with its first seed', async (t) => {
  const { journal } = await openJournal(t)
  const first = recordStudy(journal, { name: 'demo', hash: 'a', config: { vms: 2 }, seed: 7 })
  t.match(first, { name: 'demo', seed: 7 })
  t.strictSame(
    { ...recordStudy(journal, { name: 'demo', hash: 'a', config: { vms: 2 }, seed: 8 }) },
    { ...first },
  )
  t.not(
    recordStudy(journal, { name: 'demo', hash: 'b', config: { vms: 3 }, seed: 8 }).id,
    first.id,
    'a change begins a new one',
  )
})

t.test('blocks count from 1, and an open one is taken up', async (t) => {
  const { journal } = await openJournal(t)
  const { id } = recordStudy(journal, { name: 'demo', hash: 'a', config: {}, seed: 1 })
  const other = recordStudy(journal, { name: 'other', hash: 'a', config: {}, seed: 1 })
  const first = openBlock(journal, id)
  t.equal(first.number, 1)
  t.strictSame({ ...openBlock(journal, id) }, { ...first })
  t.equal(blocksEnded(journal, id), 0)
  t.equal(openBlock(journal, other.id).number, 1, "another study's count for themselves")
  endBlock(journal, first.id)
  t.equal(blocksEnded(journal, id), 1)
  t.equal(openBlock(journal, id).number, 2)
  t.strictSame(
    blockCounts(journal).map((row) => ({ ...row })),
    [{ study: 'demo', blocks: 1 }],
  )
})

t.test('a run is there before it starts, and when it ends', async (t) => {
  const { file, clock, journal } = await openJournal(t)
  const block = openBlock(
    journal,
    recordStudy(journal, { name: 'demo', hash: 'a', config: {}, seed: 1 }).id,
  )
  const { id, vmIds } = recordStart(journal, runOf(block.id))
  t.equal(vmIds.length, 1)
  const sql = 'SELECT case_name, factors, manifest, outcome, reason, started_at, ended_at FROM runs'
  const started = {
    case_name: 'ide-raw',
    factors: '{"drives.root.bus":"ide"}',
    manifest: '{"qemu":"7.2.22"}',
    outcome: null,
    reason: null,
    started_at: 1000,
    ended_at: null,
  }
  t.strictSame(rows(file, sql), [started], 'as another process sees it')
  clock.now = 1042
  recordEnd(journal, id, { outcome: 'failed', reason: 'vm demo-ide-raw-1 failed' })
  const ended = {
    ...started,
    outcome: 'failed',
    reason: 'vm demo-ide-raw-1 failed',
    ended_at: 1042,
  }
  t.strictSame(rows(file, sql), [ended])
  clock.now = 2000
  recordEnd(journal, id, { outcome: 'passed' })
  t.strictSame(rows(file, sql), [ended], 'the first word counts')
  t.strictSame(
    runCounts(journal).map((row) => ({ ...row })),
    [{ study: 'demo', outcome: 'failed', runs: 1 }],
  )
})

t.test('what guests have told stays with their vms; told again, it counts once', async (t) => {
  const { journal } = await openJournal(t)
  const block = openBlock(
    journal,
    recordStudy(journal, { name: 'demo', hash: 'a', config: {}, seed: 1 }).id,
  )
  const start = runOf(block.id)
  const second = { ...start.vms[0]!, name: 'demo-ide-raw-2' }
  const { id, vmIds } = recordStart(journal, { ...start, vms: [...start.vms, second] })
  vmResult(journal, vmIds[1]!, 'fio', 'of the second')
  vmResult(journal, vmIds[0]!, 'fio', 'half of the')
  vmResult(journal, vmIds[0]!, 'fio', 'of the first')
  vmResult(journal, vmIds[0]!, 'other', '')
  t.same(runResults(journal, id, 'fio'), [
    { vm: 'demo-ide-raw-1', content: 'of the first' },
    { vm: 'demo-ide-raw-2', content: 'of the second' },
  ])
  t.same(runResults(journal, id + 1, 'fio'), [])
})

t.test('a run with a vm twice is not begun at all', async (t) => {
  const { file, journal } = await openJournal(t)
  const block = openBlock(
    journal,
    recordStudy(journal, { name: 'demo', hash: 'a', config: {}, seed: 1 }).id,
  )
  const vm = { name: 'demo-1', plan: {} }
  t.throws(() => recordStart(journal, runOf(block.id, { vms: [vm, vm] })), /UNIQUE/)
  t.throws(() => recordStart(journal, runOf(99)), /FOREIGN KEY/)
  t.strictSame(rows(file, 'SELECT * FROM runs'), [])
  t.ok(recordStart(journal, runOf(block.id)), 'and the next one is')
})

t.test('unfinished runs come back whole', async (t) => {
  const { journal } = await openJournal(t)
  const block = openBlock(
    journal,
    recordStudy(journal, { name: 'demo', hash: 'a', config: {}, seed: 1 }).id,
  )
  const over = recordStart(journal, runOf(block.id))
  recordEnd(journal, over.id, { outcome: 'passed' })
  t.equal(firstUnfinishedRun(journal), undefined)
  const plan = { drives: [{ name: 'root', file: '/a/b.raw' }], note: 'ü "quoted"' }
  const vms = ['x-1', 'x-2', 'x-3'].map((name) => ({ name, plan }))
  const { id, vmIds } = recordStart(journal, runOf(block.id, { caseName: 'x', vms }))
  const [first, second, third] = vmIds as [number, number, number]
  vmStarted(journal, first, 4711, 123456)
  vmBooted(journal, first, 999.5)
  vmPhases(journal, first, 90, [{ seq: 1, phase: 'boot', uptime: 0 }])
  vmPhases(journal, first, 120, [
    { seq: 1, phase: 'boot', uptime: 0 },
    { seq: 4, phase: 'write', uptime: 3.25 },
  ])
  vmStarted(journal, second, 4712, 123460)
  vmEnded(journal, second, 'failed', 'no space', { drives: [] })
  t.equal(firstUnfinishedRun(journal), id)
  const bare = { pid: undefined, startTicks: undefined, bootTime: undefined, outcome: undefined }
  const unfinished = unfinishedRuns(journal)
  t.strictSame(JSON.parse(JSON.stringify(unfinished)), [
    {
      id,
      study: 'demo',
      block: 1,
      caseName: 'x',
      startedAt: 1000,
      vms: [
        {
          id: first,
          name: 'x-1',
          plan,
          pid: 4711,
          startTicks: 123456,
          bootTime: 999.5,
          phaseOffset: 120,
          phases: [
            { seq: 1, phase: 'boot', uptime: 0 },
            { seq: 4, phase: 'write', uptime: 3.25 },
          ],
        },
        {
          id: second,
          name: 'x-2',
          plan,
          pid: 4712,
          startTicks: 123460,
          phaseOffset: 0,
          outcome: 'failed',
          phases: [],
        },
        { id: third, name: 'x-3', plan, phaseOffset: 0, phases: [] },
      ],
    },
  ])
  t.match(unfinished[0]?.vms[2], bare)
})

t.test('the runs of a block that have ended, in order', async (t) => {
  const { journal } = await openJournal(t)
  const study = recordStudy(journal, { name: 'demo', hash: 'a', config: {}, seed: 1 })
  const block = openBlock(journal, study.id)
  const outcomes = [
    ['a', 'passed'],
    ['b', 'void'],
    ['c', 'abandoned'],
    ['b', 'failed'],
  ] as const
  for (const [caseName, outcome] of outcomes) {
    recordEnd(journal, recordStart(journal, runOf(block.id, { caseName })).id, { outcome })
  }
  recordStart(journal, runOf(block.id, { caseName: 'd' }))
  t.strictSame(
    blockRuns(journal, block.id).map(({ caseName, outcome }) => [caseName, outcome]),
    outcomes,
  )
  t.strictSame(blockRuns(journal, block.id + 1), [])
  t.equal(runsDone(journal, study.id), 2, 'those that passed or failed')
  endBlock(journal, block.id)
  t.equal(blocksEnded(journal, study.id), 1)
  voidBlock(journal, block.id, 'drifted')
  t.equal(blocksEnded(journal, study.id), 0)
  t.equal(runsDone(journal, study.id), 0, 'of a block that counts')
  t.strictSame(voidBlocksInRow(journal, study.id), { count: 1, reason: 'drifted' })
  endBlock(journal, openBlock(journal, study.id).id)
  t.equal(voidBlocksInRow(journal, study.id).count, 0)
  t.equal(openBlock(journal, study.id).number, 3, 'a void one keeps its number')
})

t.test('a study is paused until it is resumed', async (t) => {
  const { file, journal } = await openJournal(t)
  t.notOk(isPaused(journal, 'demo'))
  t.ok(pauseStudy(journal, 'demo'))
  t.notOk(pauseStudy(journal, 'demo'), 'it was')
  const later = new Journal(file)
  t.ok(isPaused(later, 'demo'), 'by a later kvmio too')
  t.notOk(isPaused(later, 'other'))
  later.close()
  t.ok(resumeStudy(journal, 'demo'))
  t.notOk(resumeStudy(journal, 'demo'), 'it was not')
  t.notOk(isPaused(journal, 'demo'))
})

t.test('durations of phases, of runs that passed', async (t) => {
  const { journal } = await openJournal(t)
  const block = openBlock(
    journal,
    recordStudy(journal, { name: 'demo', hash: 'a', config: {}, seed: 1 }).id,
  )
  const phases = (uptimes: number[]) =>
    ['boot', 'write', 'off'].map((phase, index) => ({
      seq: 3 * index + 1,
      phase,
      uptime: uptimes[index]!,
    }))
  const vms = ['x-1', 'x-2'].map((name) => ({ name, plan: {} }))
  const first = recordStart(journal, runOf(block.id, { vms }))
  vmPhases(journal, first.vmIds[0]!, 9, phases([0, 2, 12.5]))
  vmPhases(journal, first.vmIds[1]!, 9, phases([0, 3, 4]))
  t.strictSame(phaseDurations(journal, 0), [], 'not while it goes on')
  recordEnd(journal, first.id, { outcome: 'passed' })
  const failed = recordStart(journal, runOf(block.id))
  vmPhases(journal, failed.vmIds[0]!, 9, phases([0, 1, 2]))
  recordEnd(journal, failed.id, { outcome: 'failed' })
  const of = { study: 'demo', case: 'ide-raw', run: first.id }
  t.strictSame(
    phaseDurations(journal, 0).map((row) => ({ ...row })),
    [
      { ...of, vm: 'x-1', phase: 'boot', seconds: 2 },
      { ...of, vm: 'x-1', phase: 'write', seconds: 10.5 },
      { ...of, vm: 'x-2', phase: 'boot', seconds: 3 },
      { ...of, vm: 'x-2', phase: 'write', seconds: 1 },
    ],
    'the last phase has no end',
  )
  t.strictSame(phaseDurations(journal, first.id), [])
})

t.test('a verdict on the host holds as long as what it depends on', async (t) => {
  const { journal } = await openJournal(t)
  t.equal(hostVerdict(journal, 'kvm', 'kernel 1'), undefined)
  setHostVerdict(journal, 'kvm', 'kernel 1', { boots: false })
  t.strictSame(hostVerdict(journal, 'kvm', 'kernel 1'), { boots: false })
  t.equal(hostVerdict(journal, 'kvm', 'kernel 2'), undefined)
  setHostVerdict(journal, 'kvm', 'kernel 2', { boots: true })
  t.strictSame(hostVerdict(journal, 'kvm', 'kernel 2'), { boots: true })
  t.equal(hostVerdict(journal, 'kvm', 'kernel 1'), undefined, 'one verdict a subject')
})

t.test('a reader sees whole runs while a writer is at work', async (t) => {
  const { file, journal } = await openJournal(t)
  const block = openBlock(
    journal,
    recordStudy(journal, { name: 'demo', hash: 'a', config: {}, seed: 1 }).id,
  )
  using db = new DatabaseSync(file, { readOnly: true })
  const read = db.prepare('SELECT count(*) AS runs, count(outcome) AS ended FROM runs')
  for (let run = 1; run <= 50; run++) {
    const { id } = recordStart(journal, runOf(block.id))
    t.strictSame({ ...read.get() }, { runs: run, ended: run - 1 })
    recordEnd(journal, id, { outcome: 'passed' })
    t.strictSame({ ...read.get() }, { runs: run, ended: run })
  }
  const second = new Journal(file)
  t.equal(blockRuns(second, block.id).length, 50, 'as doctor does')
  second.close()
})
