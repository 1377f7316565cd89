import t from 'tap'
import {
  applianceOrLack,
  guestOn,
  guestSays,
  homeFor,
  journal,
  LOCAL,
  nothingLeft,
  qemuOf,
  says,
  serve,
  writes,
} from './kvmio.ts'

const { lack: skip } = await applianceOrLack()
const CONFIG = {
  tiers: { local: LOCAL },
  guests: { small: guestOn('local') },
  studies: {
    load: {
      guest: 'small',
      workload: writes('4MiB', '64KiB', '10s'),
      schedule: 'continuous',
      pause: '5m',
    },
  },
}

t.test('a kvmio that is started again leaves its vms to the next one', { skip }, async (t) => {
  const home = await homeFor(t, CONFIG)
  const first = await serve(home)
  await guestSays(home, 'load-only-1', 'settle')
  const qemu = await qemuOf(home, 'load-only-1')
  first.kill('SIGUSR2')
  const { code, stderr } = await first.end()
  t.equal(code, 0)
  t.match(stderr, /\nSIGUSR2: leaving the vms to the next kvmio\n$/)
  t.equal(await qemuOf(home, 'load-only-1'), qemu, 'it runs')

  const second = await serve(home)
  await says(second, /run 1: load, only: passed/)
  // However long the second one took to start: what it found was this vm, and not one that it had started.
  t.match(journal(home), [{ id: 1, outcome: 'passed', vms: [{ pid: qemu, outcome: 'passed' }] }])
  second.kill('SIGTERM')
  t.equal((await second.end()).code, 0)
  await nothingLeft(t, home)
})
