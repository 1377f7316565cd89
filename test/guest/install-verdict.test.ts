import t from 'tap'
import { installVerdict } from '../../src/guest/running-vm.ts'

const CASES: [
  done: 'power-off' | 'reboot',
  offBy: string | undefined,
  outcome: string,
  reason?: string,
][] = [
  ['power-off', 'guest-shutdown', 'passed'],
  ['reboot', 'guest-reset', 'passed'],
  [
    'power-off',
    'guest-reset',
    'failed',
    'vm a: expected its installer to end with power-off, but it rebooted, as a kernel that panics may do too',
  ],
  [
    'reboot',
    'guest-shutdown',
    'failed',
    'vm a: expected its installer to end with reboot, but it powered off',
  ],
  [
    'reboot',
    'guest-panic',
    'failed',
    'vm a: expected its installer to end with reboot, but guest-panic',
  ],
  [
    'reboot',
    undefined,
    'abandoned',
    'vm a went off while no kvmio watched, so how its installer ended is not known',
  ],
]

t.test('how an installer that says nothing went', async (t) => {
  for (const [done, offBy, outcome, reason] of CASES) {
    const expected = reason === undefined ? { outcome } : { outcome, reason }
    t.strictSame(installVerdict('a', done, offBy), expected, `${done} by ${offBy}`)
  }
})
