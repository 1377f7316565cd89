import t from 'tap'
import { resultOf } from './result.ts'

const PASSED = `TAP version 14
# Subtest: outer
    ok 1 - one
    ok 2 - two
    1..2
ok 1 - outer # time=12ms

1..1
lab: exit 0
`

const ROWS: [name: string, tap: string, problem: string | undefined, result: object][] = [
  ['all held', PASSED, undefined, { outcome: 'passed', asserts: 2, reason: undefined }],
  [
    'one did not',
    PASSED.replace('ok 2 - two', 'not ok 2 - two').replace('exit 0', 'exit 1'),
    undefined,
    { outcome: 'failed', asserts: 1, reason: 'not ok 2 - two' },
  ],
  [
    'a deadline in the middle',
    PASSED.split('    1..2')[0]!,
    'did not end in 600 s',
    { outcome: 'failed', asserts: 2, reason: 'did not end in 600 s' },
  ],
  [
    'a lab host that panicked',
    '',
    undefined,
    { outcome: 'failed', asserts: 0, reason: 'the lab host ended before the part did' },
  ],
  [
    'a skip, which in the lab has no good reason',
    PASSED.replace('ok 2 - two', 'ok 2 - two # SKIP no device mapper'),
    undefined,
    {
      outcome: 'failed',
      asserts: 2,
      reason: 'it must not be skipped here: ok 2 - two # SKIP no device mapper',
    },
  ],
  [
    'a program that could not start',
    'lab.sh: 29: node: not found\nlab: exit 127\n',
    undefined,
    { outcome: 'failed', asserts: 0, reason: 'its program exited with code 127' },
  ],
  [
    'nothing asserted',
    'TAP version 14\n1..0\nlab: exit 0\n',
    undefined,
    { outcome: 'failed', asserts: 0, reason: 'it asserted nothing' },
  ],
  [
    'a long reason',
    PASSED.replace('ok 2 - two', `not ok 2 - ${'x'.repeat(500)}`),
    undefined,
    { outcome: 'failed', asserts: 1, reason: `not ok 2 - ${'x'.repeat(149)}…` },
  ],
]

t.test('what a part came to', async (t) => {
  for (const [name, tap, problem, result] of ROWS)
    t.strictSame(resultOf(tap, problem), result, name)
})
