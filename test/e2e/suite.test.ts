import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import {
  applianceOrLack,
  guestOn,
  type Home,
  homeFor,
  journal,
  kvmio,
  LOCAL,
  nothingLeft,
  serve,
  writes,
} from './kvmio.ts'

const { lack: skip } = await applianceOrLack()

const CONFIG = { tiers: { local: LOCAL }, guests: { small: guestOn('local') } }
const STUDY = { guest: 'small', pause: '0s', workload: writes('1MiB') }
const IMAGE = {
  raw: { 'drives.root.format': 'raw' },
  'qcow2-metadata': { 'drives.root.format': 'qcow2', 'drives.root.preallocation': 'metadata' },
}
const SUITE = {
  studies: {
    images: { ...STUDY, blocks: 1, factors: { image: IMAGE } },
    other: { ...STUDY, settings: { memory: '128MiB' }, blocks: 1 },
    huge: { ...STUDY, settings: { 'drives.root.size': '15TiB' }, blocks: 1 },
  },
}

async function homeWithSuite(t: Parameters<typeof homeFor>[0]): Promise<Home> {
  const home = await homeFor(t, CONFIG)
  await mkdir(join(home.directory, 'studies'))
  await writeFile(join(home.directory, 'studies/mine.yaml'), JSON.stringify(SUITE))
  return home
}

t.test('a part of a suite, once and no more', { skip }, async (t) => {
  const home = await homeWithSuite(t)
  const before = await kvmio(home, ['plan', 'mine#images']).end()
  t.match(before.stdout, /^raw +14 s$/m)
  t.match(before.stdout, 'by rule, since none has run here')

  const run = await kvmio(home, ['run', 'mine#images']).end(120_000)
  t.equal(run.code, 0, run.stderr)
  t.match(run.stdout, /^qcow2-metadata +passed/m)
  const rows = journal(home)
  t.strictSame(rows.map((row) => [row.study, row.case, row.outcome]).sort(), [
    ['mine-images', 'qcow2-metadata', 'passed'],
    ['mine-images', 'raw', 'passed'],
  ])

  const again = await kvmio(home, ['run', 'studies/mine.yaml#images']).end()
  t.equal(again.code, 0, again.stderr)
  t.match(again.stdout, /^study mine-images has the 1 block/)
  t.equal(journal(home).length, rows.length, 'its block is there, and was not run again')

  const after = await kvmio(home, ['plan', 'mine#images']).end()
  t.match(after.stdout, 'in all, from past runs of 2 cases')
  await nothingLeft(t, home)
})

t.test('what cannot fit is refused by plan', { skip }, async (t) => {
  const home = await homeWithSuite(t)
  const { code, stdout, stderr } = await kvmio(home, ['plan', 'mine']).end()
  t.equal(code, 2)
  t.match(
    stderr,
    /^study mine-huge: its images can come to take 15 TiB on tier local, which has [\d.]+ [MGT]iB\n$/,
  )
  t.match(stdout, /^study mine-images: 2 cases/m, 'the others are shown all the same')
  t.match(stdout, /^in all 3 studies, 4 cases that can run here/m)
})

t.test('check names what a suite holds, or its mistakes', { skip }, async (t) => {
  const home = await homeWithSuite(t)
  const good = await kvmio(home, ['check', 'mine']).end()
  t.equal(good.code, 0)
  t.match(good.stdout, /^mine: good: 3 studies with 4 cases$/m)
  const studies = { a: { ...STUDY, factors: { 'drives.root.tier': ['ssd', 'hdd'] } } }
  await writeFile(join(home.directory, 'studies/bad.yaml'), JSON.stringify({ studies }))
  const bad = await kvmio(home, ['check', 'bad']).end()
  t.equal(bad.code, 2)
  t.match(bad.stderr, /bad\.yaml: .*kvmio\.yaml does not have its tiers hdd, ssd\n$/)
})

t.test('a serve runs parts of suites for others', { skip }, async (t) => {
  const home = await homeWithSuite(t)
  const serving = await serve(home)
  const run = await kvmio(home, ['run', 'mine#other', '--once']).end(120_000)
  t.equal(run.code, 0, run.stderr)
  t.match(run.stderr, 'handed over')
  t.match(run.stderr, /mine-other-only-1: write at/, 'its events come through')
  t.match(journal(home)[0], { study: 'mine-other', outcome: 'passed' })
  serving.kill('SIGTERM')
  await serving.end()
  await nothingLeft(t, home)
})
