import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Journal } from '../../src/journal/journal.ts'
import { pruneSamples } from '../../src/journal/retention.ts'
import { recordEnd, recordStart } from '../../src/journal/runs.ts'
import { recordSamples, samplesOf } from '../../src/journal/samples.ts'
import { openBlock, recordStudy } from '../../src/journal/studies.ts'

const DAY = 86_400
const NO_LIMIT = 2 ** 40
const SECONDS = 300

/** Five runs, one a day, the last of which goes on, each with five minutes of a vm and a device. */
async function fiveDays(t: Test) {
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-journal-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const clock = { now: 0 }
  const journal = new Journal(join(directory, 'journal.sqlite'), () => clock.now)
  t.teardown(() => journal.close())
  const study = recordStudy(journal, { name: 'demo', hash: 'a', config: {}, seed: 1 })
  const block = openBlock(journal, study.id)
  const ids = [1, 2, 3, 4, 5].map((day) => {
    clock.now = day * DAY
    const run = { blockId: block.id, caseName: `day-${day}`, factors: {}, manifest: {}, vms: [] }
    const { id } = recordStart(journal, run)
    const seconds = Array.from({ length: SECONDS }, (_, at) => at + 0.5)
    recordSamples(
      journal,
      id,
      seconds.flatMap((at) => [
        { kind: 'vm', name: 'v', at, transactions: 80.25 },
        { kind: 'device', name: 'loop0', at, transactions: 95.75 },
      ]),
    )
    if (day < 5) recordEnd(journal, id, { outcome: 'passed' })
    return id
  })
  const left = () => ids.filter((id) => samplesOf(journal, id).length > 0)
  return { journal, ids, left, block }
}

t.test('the seconds of runs go with age; the runs stay', async (t) => {
  const { journal, ids, left } = await fiveDays(t)
  t.equal(pruneSamples(journal, { age: 10 * DAY, size: NO_LIMIT }), 0)
  t.strictSame(left(), ids)
  t.equal(pruneSamples(journal, { age: 2.5 * DAY, size: NO_LIMIT }), 2)
  t.strictSame(left(), ids.slice(2))
  t.equal(journal.get('SELECT count(*) AS n FROM runs')?.n, 5)
  t.equal(pruneSamples(journal, { age: 1, size: NO_LIMIT }), 2, 'but not of one that goes on')
  t.strictSame(left(), ids.slice(4))
})

t.test('they go with size, the oldest first', async (t) => {
  const { journal, ids, left } = await fiveDays(t)
  const pages = () =>
    Number(journal.get("SELECT sum(pgsize) AS bytes FROM dbstat WHERE name = 'samples'")?.bytes)
  const all = pages()
  t.ok(all < 2 * SECONDS * 5 * 40, `${all} bytes for ${2 * SECONDS * 5} samples`)
  t.equal(pruneSamples(journal, { age: NO_LIMIT, size: all }), 0)
  t.equal(pruneSamples(journal, { age: NO_LIMIT, size: Math.ceil(all * 0.65) }), 2)
  t.strictSame(left(), ids.slice(2))
  t.ok(pages() < all * 0.75, 'whose pages are free, but for those that they shared')
  t.equal(pruneSamples(journal, { age: NO_LIMIT, size: 0 }), 2)
  t.strictSame(left(), ids.slice(4))
})
