import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { readStudy, type StudyRecord } from '../../src/journal/read-study.ts'
import { openReader } from '../../src/journal/reader.ts'

const KILLS = 110
// To read all of it takes longer than to write it.
const READ_EVERY = 10
const CASES = ['a', 'b', 'c', 'd', 'e']
const TRIES = 3

t.test('a study that is killed at any moment goes on where it was', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-journal-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const file = join(directory, 'journal.sqlite')
  const told = new Map<number, string>()
  for (let kill = 1; kill <= KILLS; kill++) {
    const fresh = await killedStudy(t, file)
    const again = fresh.filter(({ id }) => told.has(id))
    t.strictSame(again, [], `kill ${kill}, after ${fresh.length} runs: none ends twice`)
    for (const { id, what } of fresh) told.set(id, what)
    using db = new DatabaseSync(file, { readOnly: true })
    t.strictSame({ ...db.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' })
    t.strictSame(db.prepare('PRAGMA foreign_key_check').all(), [])
    t.strictSame(lost(db, told), [], 'each run that was said to have ended has, as it was said')
    if (kill % READ_EVERY > 0) continue
    using reader = openReader(file)
    const study = readStudy(reader, 'demo', { samples: true })!
    t.strictSame(wrong(study), [], 'each is there whole, and each block has each case once')
  }
  t.ok(told.size > KILLS, `${told.size} runs in all`)
})

/** Starts the study and kills it some time after its first word. Gives the runs that it said had ended. */
async function killedStudy(t: Test, file: string): Promise<{ id: number; what: string }[]> {
  const script = join(import.meta.dirname, 'write-runs.ts')
  const child = spawn(process.execPath, [script, file], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  let said = ''
  const lines = (async () => {
    for await (const chunk of child.stdout.setEncoding('utf8')) {
      // How long Node takes to start says nothing.
      if (said === '') setTimeout(() => child.kill('SIGKILL'), Math.random() * 30)
      said += chunk
    }
  })()
  const [, signal] = await once(child, 'close')
  await lines
  t.equal(signal, 'SIGKILL')
  return said
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [id, ...what] = line.split(' ')
      return { id: Number(id), what: what.join(' ') }
    })
}

function lost(db: DatabaseSync, told: ReadonlyMap<number, string>): string[] {
  const rows = db.prepare('SELECT id, case_name AS name, outcome FROM runs').all()
  const there = new Map(rows.map(({ id, name, outcome }) => [Number(id), `${name} ${outcome}`]))
  return [...told].flatMap(([id, what]) =>
    there.get(id) === what ? [] : [`${id}: ${what}, but ${there.get(id)}`],
  )
}

function wrong({ blocks }: StudyRecord): string[] {
  const runs = blocks.flatMap((block) => block.runs)
  const torn = runs.flatMap(({ id, outcome, vms, counts, samples }) => {
    if (vms.length !== 2) return [`run ${id} has ${vms.length} vms`]
    if (outcome === undefined || outcome === 'abandoned') return []
    const all = counts.length + vms.flatMap((vm) => vm.counts).length
    return all === 3 && samples[0]?.at.length === 4 ? [] : [`run ${id} has ${all} counts`]
  })
  const going = runs.filter(({ outcome }) => outcome === undefined)
  const many = going.length > 1 ? [`${going.length} runs go on`] : []
  const open = blocks.filter(({ endedAt }) => endedAt === undefined)
  const holes = blocks.flatMap(({ number, endedAt, runs }) =>
    CASES.flatMap((name) => {
      const of = runs.filter((run) => run.case === name)
      const passed = of.filter(({ outcome }) => outcome === 'passed').length
      const voids = of.filter(({ outcome }) => outcome === 'void').length
      const done = passed + (voids >= TRIES ? 1 : 0)
      const good = endedAt === undefined ? done <= 1 : done === 1
      return good ? [] : [`case ${name} of block ${number}: ${passed} passed, ${voids} void`]
    }),
  )
  return [...torn, ...many, ...holes, ...(open.length > 1 ? ['two blocks are open'] : [])]
}
