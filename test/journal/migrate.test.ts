import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { Journal } from '../../src/journal/journal.ts'
import { readStudy } from '../../src/journal/read-study.ts'
import { openReader } from '../../src/journal/reader.ts'
import { recordEnd, recordStart } from '../../src/journal/runs.ts'
import { openBlock, recordStudy, runsDone } from '../../src/journal/studies.ts'

const SQL = join(import.meta.dirname, '../fixtures/recorded-journal-2/journal.sql')

/** The recorded journal of version 2. */
async function version2(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-journal-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const file = join(directory, 'journal.sqlite')
  using db = new DatabaseSync(file)
  db.exec(await readFile(SQL, 'utf8'))
  return file
}

t.test('a reader leaves an older journal to those that write', async (t) => {
  const file = await version2(t)
  t.throws(() => openReader(file), {
    message: `${file}: written by an older kvmio (journal version 2, this one reads 5); "kvmio serve" or "kvmio run" brings it up to date`,
  })
})

t.test('a journal of version 2 is brought to this one, with all that it holds', async (t) => {
  const file = await version2(t)
  const before = rows(file)
  new Journal(file).close()
  t.strictSame(rows(file), before, 'row by row')
  {
    using reader = openReader(file)
    const study = readStudy(reader, 'demo', { samples: true })
    t.strictSame(
      study?.blocks.map(({ runs }) => runs.map((run) => [run.case, run.outcome])),
      [
        [
          ['qcow2', 'passed'],
          ['raw', 'passed'],
        ],
      ],
    )
    const [run] = study!.blocks[0]!.runs
    t.strictSame(
      run?.vms[0]?.phases.map(({ phase }) => phase),
      ['boot', 'prepare', 'write', 'settle', 'shutdown', 'off'],
    )
    t.match(run?.manifest, { qemu: '7.2.22' })
    t.strictSame([run?.counts, run?.samples, run?.findings], [[], [], undefined], 'not known then')
  }
  const journal = new Journal(file)
  const { id: studyId } = recordStudy(journal, { name: 'demo', hash: 'b', config: {}, seed: 1 })
  const block = openBlock(journal, studyId)
  const run = { blockId: block.id, caseName: 'raw', factors: {}, manifest: {}, vms: [] }
  recordEnd(journal, recordStart(journal, run).id, { outcome: 'void', reason: 'new' })
  t.equal(runsDone(journal, studyId), 0)
  t.throws(() => recordStart(journal, { ...run, blockId: 99 }), /FOREIGN KEY/, 'references hold')
  t.strictSame(journal.all('PRAGMA foreign_key_check'), [])
  journal.close()
})

/** All that the tables of version 2 hold, in its own columns. */
function rows(file: string): unknown {
  using db = new DatabaseSync(file, { readOnly: true })
  const of = (sql: string) =>
    db
      .prepare(sql)
      .all()
      .map((row) => ({ ...row }))
  return {
    studies: of('SELECT id, name, hash, seed, config, created_at FROM studies'),
    blocks: of('SELECT id, study_id, number, started_at, ended_at FROM blocks'),
    runs: of(
      'SELECT id, block_id, case_name, factors, manifest, outcome, reason, started_at, ended_at FROM runs',
    ),
    vms: of('SELECT * FROM vms'),
    phases: of('SELECT * FROM phases'),
    results: of('SELECT * FROM results'),
    hostVerdicts: of('SELECT * FROM host_verdicts'),
  }
}
