import { join } from 'node:path'
import t from 'tap'
import {
  applianceOrLack,
  guestOn,
  guestSays,
  type Home,
  homeFor,
  initrdWith,
  journal,
  kvmio,
  LOCAL,
  nothingLeft,
  says,
  scrape,
  serve,
  writes,
} from './kvmio.ts'

const { appliance, lack: skip } = await applianceOrLack()
const kernel = appliance?.kernel ?? ''
const initrd = appliance?.initrd ?? ''

const idle = { guest: 'small', pause: '0s', workload: { idle: { time: '1s' } } }
const FORMATS = { 'drives.root.format': ['raw', 'qcow2'] }

const CONFIG = {
  tiers: { local: LOCAL },
  guests: {
    small: guestOn('local'),
    broken: guestOn('local', { system: { kernel, initrd: 'broken.img' } }),
  },
  studies: {
    two: { ...idle, factors: FORMATS },
    broken: { ...idle, guest: 'broken', factors: FORMATS },
    long: { guest: 'small', pause: '0s', blocks: 2, workload: writes('32MiB', '4KiB', '60s') },
  },
}

const outcomes = (home: Home) => journal(home).map(({ case: name, outcome }) => [name, outcome])

t.test('a study is paused before its next run, and goes on', { skip }, async (t) => {
  const home = await homeFor(t, CONFIG)
  const early = await kvmio(home, ['pause', 'two']).end()
  t.equal(early.code, 1)
  t.equal(early.stderr, `${home.state}/journal.sqlite: there is none; no study has run yet\n`)

  const serving = await serve(home)
  const run = kvmio(home, ['run', 'two', '--once'])
  await says(run, ': started (block 1, run 1)')
  const pause = await kvmio(home, ['pause', 'two']).end()
  t.equal(
    pause.stdout,
    'study two waits before its next run, until "kvmio resume two"\n',
    pause.stderr,
  )
  await says(run, 'study two is paused: until "kvmio resume two"\n')
  t.match(journal(home), [{ outcome: 'passed' }])
  t.equal(journal(home).length, 1, 'the run that went on has ended')
  const paused = await scrape(serving)
  t.equal(paused.value('kvmio_study_paused', { study: 'two', reason: 'request' }), 1)
  t.equal(paused.value('kvmio_study_paused', { study: 'two', reason: 'space' }), 0)
  t.equal(paused.value('kvmio_study_running', { study: 'two' }), 0)
  t.equal(paused.value('kvmio_study_runs_planned', { study: 'two' }), 2)
  t.equal(paused.value('kvmio_study_progress_ratio', { study: 'two' }), 0.5)
  t.match(serving.said(), 'WARN  study two is paused: until "kvmio resume two"')

  t.equal((await kvmio(home, ['resume', 'two']).end()).stdout, 'study two goes on\n')
  await says(run, 'study two goes on\n')
  t.equal((await run.end()).code, 0, run.said())
  t.equal(journal(home).length, 2)
  const again = await kvmio(home, ['resume', 'two']).end()
  t.equal(again.stdout, 'study two was not paused\n')
  serving.kill('SIGTERM')
  await serving.end()
  await nothingLeft(t, home)
})

t.test('a part of a study, and then the rest of its block', { skip }, async (t) => {
  const home = await homeFor(t, CONFIG)
  const none = await kvmio(home, ['run', 'two', '--only', 'ide*']).end()
  t.equal(none.code, 1)
  t.match(none.stderr, 'study two: no case matches ide*; it has raw, qcow2\n')

  const part = await kvmio(home, ['run', 'two', '--only', 'q*w?']).end()
  t.equal(part.code, 1, '? is no wildcard')
  const one = await kvmio(home, ['run', 'two', '--only', 'q*2']).end()
  t.equal(one.code, 0, one.stderr)
  t.strictSame(outcomes(home), [['qcow2', 'passed']])
  t.notMatch(one.stderr, 'block 1 of two ended')
  const more = await kvmio(home, ['run', 'two', '--only', 'qcow2']).end()
  t.equal(more.code, 0)
  t.equal(more.stdout, 'study two: what matches qcow2 has run in this block\n')

  const rest = await kvmio(home, ['run', 'two', '--once']).end()
  t.equal(rest.code, 0, rest.stderr)
  t.match(rest.stderr, '[2/2] raw: started (block 1, run 2)\n')
  t.match(rest.stderr, 'block 1 of two ended\n')
  t.strictSame(outcomes(home), [
    ['qcow2', 'passed'],
    ['raw', 'passed'],
  ])
  await nothingLeft(t, home)
})

t.test('to the first failure', { skip }, async (t) => {
  const home = await homeFor(t, CONFIG)
  const init = '#!/bin/busybox sh\nbusybox poweroff -f\n'
  await initrdWith(join(home.directory, 'broken.img'), initrd, init)
  const first = await kvmio(home, ['run', 'broken', 'two', '--once', '--fail-fast']).end()
  t.equal(first.code, 1)
  t.equal(journal(home).length, 1, 'neither its second case nor the next study')
  t.match(journal(home), [{ study: 'broken', outcome: 'failed' }])
  const rest = await kvmio(home, ['run', 'broken', '--once']).end()
  t.equal(rest.code, 1)
  t.equal(journal(home).length, 2, 'the other case: one that failed is done')
  await nothingLeft(t, home)
})

t.test('interrupted, it says how to go on', { skip }, async (t) => {
  const home = await homeFor(t, CONFIG)
  const args = ['run', 'long', '--fail-fast']
  const run = kvmio(home, args)
  await guestSays(home, 'long-only-1', ' phase write')
  run.kill('SIGINT')
  const { code, stderr } = await run.end()
  t.equal(code, 1)
  t.match(stderr, '  only: abandoned: ended by SIGINT\n')
  const command = `kvmio run --config.file ${home.configFile} --web.listen-address 127.0.0.1:0 long --fail-fast`
  t.match(
    stderr,
    `What has ended is in the journal; the run that went on is abandoned. To go on: ${command}\n`,
  )
  t.match(journal(home), [{ outcome: 'abandoned' }])
  const again = kvmio(home, args)
  await says(again, '[1/1] only: started (block 1, run 2)')
  again.kill('SIGTERM')
  await again.end()
  await nothingLeft(t, home)
})
