import fc from 'fast-check'
import t from 'tap'
import type { WorkloadConfig } from '../../../src/config/workload-schema.ts'
import { applianceAppend } from '../../../src/guest/systems/appliance-append.ts'
import { KvmioError } from '../../../src/lib/errors.ts'

const WRITE = {
  kind: 'boot-write-shutdown',
  write: 2 ** 25,
  blockSize: 2 ** 16,
  to: 'filesystem',
  direct: false,
  settle: 10,
} as const

const KERNEL =
  'console=ttyS0 quiet panic=-1 oops=panic tsc=unstable no_timer_check cryptomgr.notests'

t.test('a workload that writes', async (t) => {
  t.equal(
    applianceAppend(WRITE, ['root', 'log']),
    `${KERNEL} kvmio.drives=root,log kvmio.workload=boot-write-shutdown kvmio.drive=root ` +
      'kvmio.write=33554432 kvmio.bs=65536 kvmio.direct=0 kvmio.to=filesystem kvmio.settle=10.000',
  )
  const other = { ...WRITE, drive: 'log', to: 'device', direct: true, settle: 0.25 } as const
  t.equal(
    applianceAppend(other, ['root', 'log']),
    `${KERNEL} kvmio.drives=root,log kvmio.workload=boot-write-shutdown kvmio.drive=log ` +
      'kvmio.write=33554432 kvmio.bs=65536 kvmio.direct=1 kvmio.to=device kvmio.settle=0.250',
  )
})

t.test('a drive that is known by its address', async (t) => {
  const passed = [{ name: 'data', address: '0000:00:1f.0' }]
  t.equal(
    applianceAppend({ kind: 'idle', time: 1 }, ['root', 'data'], passed),
    `${KERNEL} kvmio.drives=root,data kvmio.passthrough=data@0000:00:1f.0 kvmio.workload=idle kvmio.time=1.000`,
  )
})

t.test('an idle workload', async (t) => {
  t.equal(
    applianceAppend({ kind: 'idle', time: 60 }, ['root']),
    `${KERNEL} kvmio.drives=root kvmio.workload=idle kvmio.time=60.000`,
  )
  t.equal(
    applianceAppend({ kind: 'idle', time: 1 }, []),
    `${KERNEL} kvmio.workload=idle kvmio.time=1.000`,
  )
})

t.test('what would break the command line, or mean something else in it, is refused', async (t) => {
  const many = Array.from({ length: 120 }, (_, index) => `drive-number-${index + 100}`)
  const table: [workload: unknown, drives: string[], error: string][] = [
    [WRITE, [], 'drives: expected at least one name, got []'],
    [
      WRITE,
      ['root panic=0'],
      'drives: expected names of 1 to 20 characters a-z, 0-9 and -, got "root panic=0"',
    ],
    [WRITE, [''], 'drives: expected names of 1 to 20 characters a-z, 0-9 and -, got ""'],
    [
      WRITE,
      ['root', 'x'.repeat(21)],
      'drives: expected names of 1 to 20 characters a-z, 0-9 and -, got "xxxxxxxxxxxxxxxxxxxxx"',
    ],
    [WRITE, many, 'drives: expected a kernel command line of at most 2047 bytes, got 2293'],
    [
      { ...WRITE, drive: 'log' },
      ['root', 'swap'],
      'boot-write-shutdown.drive: expected one of root, swap, got "log"',
    ],
    [
      { ...WRITE, to: 'disk init=/bin/sh' },
      ['root'],
      'boot-write-shutdown.to: expected device or filesystem, got "disk init=/bin/sh"',
    ],
    [
      { ...WRITE, write: 0 },
      ['root'],
      'boot-write-shutdown.write: expected a number of bytes, got 0',
    ],
    [
      { ...WRITE, write: Number.NaN },
      ['root'],
      'boot-write-shutdown.write: expected a number of bytes, got null',
    ],
    [
      { ...WRITE, write: 1e300 },
      ['root'],
      'boot-write-shutdown.write: expected a number of bytes, got 1e+300',
    ],
    [
      { ...WRITE, blockSize: 0.5 },
      ['root'],
      'boot-write-shutdown.blockSize: expected a number of bytes, got 0.5',
    ],
    [
      { ...WRITE, blockSize: 512, direct: true },
      ['root'],
      'boot-write-shutdown.blockSize: expected a multiple of 4096 bytes for direct I/O, got 512',
    ],
    [
      { ...WRITE, settle: -1 },
      ['root'],
      'boot-write-shutdown.settle: expected a number of seconds, got -1',
    ],
    [
      { kind: 'idle', time: Number.POSITIVE_INFINITY },
      ['root'],
      'idle.time: expected a number of seconds, got null',
    ],
  ]
  for (const [workload, drives, message] of table) {
    t.throws(() => applianceAppend(workload as WorkloadConfig, drives), {
      name: 'KvmioError',
      message,
    })
  }
})

t.test('whatever is handed in, each word is plain and the line is short', async () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[a-z0-9-]{1,20}$/))
  const workload = fc.oneof(
    fc.record({
      kind: fc.constant('boot-write-shutdown'),
      write: fc.oneof(fc.double(), fc.nat()),
      blockSize: fc.oneof(fc.double(), fc.nat()),
      drive: fc.option(text, { nil: undefined }),
      to: fc.oneof(fc.constantFrom('device', 'filesystem'), fc.string()),
      direct: fc.boolean(),
      settle: fc.oneof(fc.double(), fc.nat()),
    }),
    fc.record({ kind: fc.constant('idle'), time: fc.oneof(fc.double(), fc.nat()) }),
  )
  let accepted = 0
  fc.assert(
    fc.property(workload, fc.array(text), (workload, drives) => {
      let line: string
      try {
        line = applianceAppend(workload as WorkloadConfig, drives)
      } catch (error) {
        if (error instanceof KvmioError) return
        throw error
      }
      accepted += 1
      const words = /^[a-zA-Z0-9_]+(\.[a-z]+)?(=[\w.,-]+)?$/
      if (!line.split(' ').every((word) => words.test(word))) throw new Error(line)
      if (line.length > 2047) throw new Error(`${line.length} bytes`)
    }),
    { numRuns: 2000 },
  )
  t.ok(accepted > 20, `${accepted} of 2000 were accepted`)
})
