import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { Journal } from '../../src/journal/journal.ts'
import { recordEnd, recordStart, unfinishedRuns } from '../../src/journal/runs.ts'
import { openBlock, recordStudy, runsDone } from '../../src/journal/studies.ts'
import { run } from '../../src/lib/process.ts'
import { tmpfs } from '../storage/state.ts'

const noRoot = process.geteuid?.() !== 0 && 'needs root to mount a filesystem'

t.test('a full disk takes nothing from a journal', { skip: noRoot }, async (t) => {
  const directory = await tmpfs(t, 'size=1m')
  const file = join(directory, 'journal.sqlite')
  const journal = new Journal(file)
  t.teardown(() => journal.close())
  const study = recordStudy(journal, { name: 'demo', hash: 'a', config: {}, seed: 1 })
  const block = openBlock(journal, study.id)
  const start = () =>
    recordStart(journal, {
      blockId: block.id,
      caseName: 'only',
      factors: {},
      manifest: { text: 'x'.repeat(2_000) },
      vms: [{ name: 'demo-only-1', plan: {} }],
    })
  let ended = 0
  let error: unknown
  for (let tries = 0; tries < 1_000 && !error; tries++) {
    try {
      recordEnd(journal, start().id, { outcome: 'passed' })
      ended += 1
    } catch (caught) {
      error = caught
    }
  }
  t.match(error, {
    name: 'KvmioError',
    message: `${file}: cannot be written: database or disk is full`,
  })
  t.ok(ended > 20, `${ended} runs`)
  t.equal(runsDone(journal, study.id), ended, 'each that ended is there')
  t.ok(unfinishedRuns(journal).length <= 1)
  await run('mount', ['-o', 'remount,size=4m', directory])
  recordEnd(journal, start().id, { outcome: 'passed' })
  t.equal(runsDone(journal, study.id), ended + 1, 'and it goes on when there is space')
  using db = new DatabaseSync(file, { readOnly: true })
  t.strictSame({ ...db.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' })
})

t.test('there is no journal on a disk that is full', { skip: noRoot }, async (t) => {
  const directory = await tmpfs(t, 'size=64k')
  const file = join(directory, 'journal.sqlite')
  await writeFile(join(directory, 'other'), Buffer.alloc(56 * 1024))
  t.throws(() => new Journal(file), {
    message: `${file}: cannot be used as a journal: database or disk is full`,
  })
  await rm(join(directory, 'other'))
  await run('mount', ['-o', 'remount,size=4m', directory])
  t.doesNotThrow(() => new Journal(file).close(), 'what was begun is no harm once there is space')
})
