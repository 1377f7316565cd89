import { mkdir, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { readCgroupPressure } from '../../src/source/cgroup.ts'
import { parsePressure, readHostPressure, readPressure } from '../../src/source/pressure.ts'
import { fixture } from './fixtures.ts'

const LAB = fixture('recorded-stack-6.1')

t.test('reads a recorded host', async (t) => {
  t.strictSame(await readHostPressure(join(LAB, 'proc'), 'io'), {
    waitingSeconds: 1.680955,
    stalledSeconds: 1.149445,
  })
  t.strictSame(await readHostPressure(join(LAB, 'proc'), 'cpu'), {
    waitingSeconds: 2.461222,
    stalledSeconds: 0,
  })
  t.match(await readHostPressure(join(LAB, 'proc'), 'memory'), { waitingSeconds: 0 })
})

t.test("reads a cgroup's on v2; v1 has none", async (t) => {
  const root = join(LAB, 'cgroup')
  t.strictSame(await readCgroupPressure({ version: 2, root }, 'vm'), {
    waitingSeconds: 0.953227,
    stalledSeconds: 0.953227,
  })
  t.equal(await readCgroupPressure({ version: 1, root }, 'vm'), undefined)
  t.equal(await readCgroupPressure({ version: 2, root }, 'gone'), undefined)
})

t.test('before kernel 5.13 cpu had no line "full"', async (t) => {
  const text = 'some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\n'
  t.strictSame(parsePressure(text), { waitingSeconds: 2.5 })
})

t.test('a kernel that keeps none', async (t) => {
  const root = t.testdir({})
  t.equal(await readHostPressure(root, 'io'), undefined, 'no such file')
  await mkdir(join(root, 'pressure/io'), { recursive: true })
  await t.rejects(readHostPressure(root, 'io'), { code: 'EISDIR' }, 'other errors are told')
})

t.test('a cgroup that was told to keep none', async (t) => {
  const root = '/sys/fs/cgroup/unified/kvmio-test-pressure'
  const made = await mkdir(root).then(
    () => true,
    () => false,
  )
  if (!made)
    return t.plan(0, 'no cgroup v2 hierarchy at /sys/fs/cgroup/unified to make a cgroup in')
  t.teardown(() => rmdir(root))
  const file = join(root, 'io.pressure')
  t.match(await readPressure(file), { waitingSeconds: 0, stalledSeconds: 0 })
  await writeFile(join(root, 'cgroup.pressure'), '0', { flag: 'r+' })
  t.equal(await readPressure(file), undefined)
})

t.test('bad text', async (t) => {
  const some = 'some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n'
  const bad: [mistake: string, text: string, message: string][] = [
    ['nothing', '', '/proc/pressure/io:1: expected a line "some ...", found none'],
    [
      'only full',
      some.replace('some', 'full'),
      '/proc/pressure/io:2: expected a line "some ...", found none',
    ],
    [
      'cut short',
      `${some}full avg10=0.00 avg60=`,
      '/proc/pressure/io:2: total of full: expected a whole number, got "nothing"',
    ],
    [
      'a negative number',
      some.replace('=1', '=-1'),
      '/proc/pressure/io:1: total of some: expected a whole number, got "-1"',
    ],
  ]
  for (const [mistake, text, message] of bad) {
    t.throws(() => parsePressure(text), { name: 'ParseError', message }, mistake)
  }
})
