// Disks that are full, almost full, or read-only.
import { execFileSync } from 'node:child_process'
import { mkdir, readlink, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { tmpfs } from '../storage/state.ts'
import {
  applianceOrLack,
  guestOn,
  type Home,
  homeFor,
  journal,
  kvmio,
  LOCAL,
  nothingLeft,
  processes,
  says,
  scrape,
  serve,
} from './kvmio.ts'

const skip = (await applianceOrLack()).lack
const noRoot = process.geteuid?.() !== 0 && 'needs root to mount a filesystem'
const idle = { guest: 'small', pause: '0s', workload: { idle: { time: '1s' } } }
const outcomes = (home: Home) => journal(home).map(({ case: name, outcome }) => [name, outcome])

t.test(
  'too little space pauses a study until there is more',
  { skip: skip || noRoot },
  async (t) => {
    const directory = await tmpfs(t, 'size=100m,mode=755')
    const home = await homeFor(t, {
      tiers: { small: { directory } },
      guests: { small: guestOn('small', {}, { cache: 'writeback' }) },
      studies: { one: { ...idle, blocks: 1 } },
    })
    const other = join(directory, 'other')
    await writeFile(other, Buffer.alloc(30 * 2 ** 20))
    const serving = await serve(home)
    const run = kvmio(home, ['run', 'one'])
    await says(
      run,
      /study one is paused: (.*) has 70 MiB free, of which a run can take 64(\.\d)? MiB, and 10 MiB are to stay free\n/,
    )
    t.match(serving.said(), 'WARN  study one is paused: ')
    const paused = await scrape(serving)
    t.equal(paused.value('kvmio_study_paused', { study: 'one', reason: 'space' }), 1)
    t.strictSame(journal(home), [])
    await rm(other)
    const { code, stderr } = await run.end(180_000)
    t.equal(code, 0, stderr)
    t.match(stderr, 'study one goes on\n')
    t.strictSame(outcomes(home), [['only', 'passed']])
    t.equal((await scrape(serving)).value('kvmio_study_paused', { reason: 'space' }) ?? 0, 0)
    serving.kill('SIGTERM')
    await serving.end()
    await nothingLeft(t, home)
  },
)

t.test('the state directory fills up', { skip: skip || noRoot }, async (t) => {
  const home = await homeFor(t, {
    freeSpaceFloor: '0B',
    tiers: { images: { directory: 'images' } },
    guests: { small: guestOn('images') },
    studies: { one: { ...idle, blocks: 1, workload: { idle: { time: '4s' } } } },
  })
  await mkdir(join(home.directory, 'images'))
  const systems = await readlink(join(home.state, 'systems'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=711', 'tmpfs', home.state])
  try {
    await symlink(systems, join(home.state, 'systems'))
    const run = kvmio(home, ['run', 'one'])
    await says(run, 'one-only-1: boot at')
    const filler = join(home.state, 'filler')
    await t.rejects(writeFile(filler, Buffer.alloc(8 * 2 ** 20)), { code: 'ENOSPC' })
    const { code, stderr } = await run.end(180_000)
    t.equal(code, 1)
    t.match(stderr, `${home.state}/journal.sqlite: cannot be written: database or disk is full\n`)
    t.notMatch(stderr, /\n {4}at /, 'no stack')
    t.strictSame(await processes(home.state), [], 'and no qemu is left behind')
    await rm(filler)
    const again = await kvmio(home, ['run', 'one']).end(180_000)
    t.match(again.stderr, 'only: abandoned: vm one-only-1 was gone when kvmio came back')
    t.strictSame(outcomes(home), [
      ['only', 'abandoned'],
      ['only', 'passed'],
    ])
  } finally {
    execFileSync('umount', [home.state])
  }
})

t.test('a state directory that nobody can write to', { skip: skip || noRoot }, async (t) => {
  const home = await homeFor(t, {
    tiers: { local: LOCAL },
    guests: { small: guestOn('local') },
    studies: { two: idle },
  })
  execFileSync('mount', ['--bind', home.state, home.state])
  execFileSync('mount', ['-o', 'remount,bind,ro', home.state])
  t.teardown(() => execFileSync('umount', [home.state]))
  const { code, stderr } = await kvmio(home, ['run', 'two', '--once']).end()
  t.equal(code, 1)
  t.match(stderr, /^the state directory cannot be used: EROFS: read-only file system, .*\n$/)
})
