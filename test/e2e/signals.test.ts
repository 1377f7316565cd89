import t, { type Test } from 'tap'
import {
  applianceOrLack,
  guestOn,
  guestSays,
  type Home,
  homeFor,
  journal,
  type Kvmio,
  kvmio,
  LOCAL,
  nothingLeft,
  repository,
  start,
  writes,
} from './kvmio.ts'

const { lack: skip } = await applianceOrLack()

// From the signal to the end of the process, with a qemu that has to quit.
const GRACE_MS = 5_000

const CONFIG = {
  tiers: { local: LOCAL },
  guests: { small: guestOn('local', {}, { size: '1GiB' }) },
  studies: {
    // More than what is written until the signal comes.
    long: { guest: 'small', pause: '0s', workload: writes('1GiB', '4KiB'), schedule: 'continuous' },
  },
}

t.test('run is ended by Ctrl-C', { skip }, async (t) => {
  const home = await homeFor(t, CONFIG)
  const run = kvmio(home, ['run', 'long', '--once'])
  const { code, stdout, stderr } = await endedBy('SIGINT', run, home, t)
  t.equal(code, 1)
  t.match(stderr, 'SIGINT: ending the vms and giving back what is theirs\n')
  t.match(stderr, '  only: abandoned: ended by SIGINT\n')
  t.match(stdout, 'only: ended by SIGINT\n')
  t.notMatch(stderr, 'WARN')
})

t.test('serve is ended by SIGTERM', { skip }, async (t) => {
  const home = await homeFor(t, CONFIG)
  const { code, stdout, stderr } = await endedBy('SIGTERM', kvmio(home, ['serve']), home, t)
  t.equal(code, 0)
  t.equal(stdout, '')
  t.match(stderr, 'SIGTERM: ending the vms and giving back what is theirs\n')
  t.match(stderr, 'run 1: long, only: abandoned: ended by SIGTERM\n')
  t.notMatch(stderr, /WARN|ERROR/)
})

t.test('npm start is ended by SIGTERM to npm', { skip }, async (t) => {
  const home = await homeFor(t, CONFIG)
  const flags = ['--config.file', home.configFile, '--web.listen-address', '127.0.0.1:0']
  // Without prestart: a set-up would work on the very node_modules that this test runs from.
  const npm = start(home, ['npm', 'start', '--ignore-scripts', '--', ...flags], repository)
  const { stderr } = await endedBy('SIGTERM', npm, home, t)
  t.match(stderr, 'SIGTERM: ending the vms and giving back what is theirs\n')
  t.match(stderr, 'run 1: long, only: abandoned: ended by SIGTERM\n')
})

/** Sends the signal while the guest writes; the end must come in time and leave nothing. */
async function endedBy(signal: NodeJS.Signals, started: Kvmio, home: Home, t: Test) {
  await guestSays(home, 'long-only-1', ' phase write')
  started.kill(signal)
  const ended = await started.end(GRACE_MS)
  t.equal(ended.signal, null)
  const reason = `ended by ${signal}`
  t.match(journal(home), [{ outcome: 'abandoned', reason, vms: [{ outcome: 'abandoned' }] }])
  t.equal(journal(home).length, 1)
  await nothingLeft(t, home)
  return ended
}
