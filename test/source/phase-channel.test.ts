import assert from 'node:assert/strict'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { ParseError } from '../../src/lib/errors.ts'
import {
  formatPhaseLine,
  type PhaseLine,
  PhaseLog,
  parsePhaseLine,
} from '../../src/source/phase-channel.ts'

// As the appliance wrote it: test/guest/systems/appliance.test.ts.
const LOG = `kvmio 1 2.01 phase boot
kvmio 2 2.04 fact kernel 6.1.0-56-amd64
kvmio 3 2.37 phase prepare
kvmio 4 2.37 disk root vda virtio_blk 3 0 24 10 0 0 0 0 0 8 10 0 0 0 0 0 0
kvmio 5 2.52 error write: dd: error writing '/dev/vda': No space left on device
kvmio 6 3.55 end failed
`

const LINES: PhaseLine[] = [
  { kind: 'phase', seq: 1, uptime: 2.01, phase: 'boot' },
  { kind: 'fact', seq: 2, uptime: 2.04, name: 'kernel', value: '6.1.0-56-amd64' },
  { kind: 'phase', seq: 3, uptime: 2.37, phase: 'prepare' },
  {
    kind: 'disk',
    seq: 4,
    uptime: 2.37,
    drive: 'root',
    disk: 'vda',
    driver: 'virtio_blk',
    stat: '3 0 24 10 0 0 0 0 0 8 10 0 0 0 0 0 0',
  },
  {
    kind: 'error',
    seq: 5,
    uptime: 2.52,
    message: "write: dd: error writing '/dev/vda': No space left on device",
  },
  { kind: 'end', seq: 6, uptime: 3.55, outcome: 'failed' },
]

const word = fc.stringMatching(/^[\w.-]{1,20}$/)
const text = fc.stringMatching(/^[^\r\n]{1,80}$/)
const stat = fc.array(fc.nat(), { minLength: 11, maxLength: 20 }).map((fields) => fields.join(' '))
const stamp = {
  seq: fc.integer({ min: 1, max: 1e9 }),
  uptime: fc.nat(1e8).map((hundredths) => hundredths / 100),
}
const plain = { noNullPrototype: true }
const phaseLine: fc.Arbitrary<PhaseLine> = fc.oneof(
  fc.record({ kind: fc.constant('phase'), ...stamp, phase: word }, plain),
  fc.record(
    { kind: fc.constant('disk'), ...stamp, drive: word, disk: word, driver: word, stat },
    plain,
  ),
  fc.record({ kind: fc.constant('error'), ...stamp, message: text }, plain),
  fc.record(
    { kind: fc.constant('end'), ...stamp, outcome: fc.constantFrom('passed', 'failed') },
    plain,
  ),
  fc.record({ kind: fc.constant('fact'), ...stamp, name: word, value: text }, plain),
  fc.record(
    {
      kind: fc.constant('result'),
      ...stamp,
      name: word,
      part: fc.integer({ min: 1, max: 9 }),
      of: fc.integer({ min: 9, max: 999_999 }),
      text: fc.uint8Array({ minLength: 1 }).map((bytes) => Buffer.from(bytes).toString('base64')),
    },
    plain,
  ),
)

t.test('the lines of a guest', async (t) => {
  t.strictSame(
    LOG.trimEnd()
      .split('\n')
      .map((line) => parsePhaseLine(line)),
    LINES,
  )
})

t.test('what is not from kvmio is left out', async (t) => {
  for (const line of ['', 'kvmio', ' kvmio 1 2 phase boot', 'login: ', '\0\0kvmio 1 2 phase x']) {
    t.equal(parsePhaseLine(line), undefined, JSON.stringify(line))
  }
})

t.test('damaged lines', async (t) => {
  const table: [line: string, error: string][] = [
    ['kvmio ', 'log:7: expected a number that counts from 1, got ""'],
    ['kvmio 0 1.0 phase boot', 'log:7: expected a number that counts from 1, got "0"'],
    ['kvmio -1 1.0 phase boot', 'log:7: expected a number that counts from 1, got "-1"'],
    ['kvmio 7', 'log:7: expected an uptime in seconds, got nothing'],
    ['kvmio 7 1e3 phase boot', 'log:7: expected an uptime in seconds, got "1e3"'],
    ['kvmio 7 1.0', 'log:7: expected phase, disk, error, end, fact or result, got nothing'],
    ['kvmio 7 1.0 pha', 'log:7: expected phase, disk, error, end, fact or result, got "pha"'],
    ['kvmio 7 1.0 phase', 'log:7: expected the name of a phase, got nothing'],
    ['kvmio 7 1.0 phase boot 2', 'log:7: expected the name of a phase, got "boot 2"'],
    ['kvmio 7 1.0 disk', 'log:7: expected a drive\'s name, got ""'],
    ['kvmio 7 1.0 disk root', "log:7: expected a disk's name, got nothing"],
    ['kvmio 7 1.0 disk root vda', "log:7: expected a driver's name, got nothing"],
    [
      'kvmio 7 1.0 disk root vda virtio_blk',
      'log:7: expected 11 or more whole numbers of /proc/diskstats, got nothing',
    ],
    [
      'kvmio 7 1.0 disk root vda virtio_blk 1 2 3 4 5 6 7 8 9 10',
      'log:7: expected 11 or more whole numbers of /proc/diskstats, got "1 2 3 4 5 6 7 8 9 10"',
    ],
    [
      'kvmio 7 1.0 disk root vda virtio_blk 1 2 3 4 5 6 7 8 9 10 -1',
      'log:7: expected 11 or more whole numbers of /proc/diskstats, got "1 2 3 4 5 6 7 8 9 10 -1"',
    ],
    ['kvmio 7 1.0 error', 'log:7: expected a message, got nothing'],
    ['kvmio 7 1.0 end', 'log:7: expected passed or failed, got nothing'],
    ['kvmio 7 1.0 end well', 'log:7: expected passed or failed, got "well"'],
    ['kvmio 7 1.0 fact', 'log:7: expected a fact\'s name, got ""'],
    ['kvmio 7 1.0 fact kernel', 'log:7: expected the value of kernel, got nothing'],
    ['kvmio 7 1.0 result', 'log:7: expected a result\'s name, got ""'],
    ['kvmio 7 1.0 result fio', "log:7: expected a part's number, got nothing"],
    ['kvmio 7 1.0 result fio 0 1 QQ==', 'log:7: expected a part\'s number, got "0"'],
    ['kvmio 7 1.0 result fio 3 2 QQ==', 'log:7: expected the number of parts, got "2"'],
    ['kvmio 7 1.0 result fio 1 2', 'log:7: expected base 64, got nothing'],
    ['kvmio 7 1.0 result fio 1 2 Q Q', 'log:7: expected base 64, got "Q Q"'],
  ]
  for (const [line, message] of table) {
    t.throws(() => parsePhaseLine(line, 'log', 7), { name: 'ParseError', message }, line)
  }
})

t.test('what is printed is what is parsed', async () => {
  fc.assert(
    fc.property(phaseLine, fc.constantFrom('', '\r'), (line, end) => {
      assert.deepEqual(parsePhaseLine(formatPhaseLine(line) + end), line)
    }),
  )
})

t.test('nothing but a ParseError comes of any line', async () => {
  const damaged = fc
    .tuple(phaseLine, fc.nat(100), fc.string())
    .map(([line, at, junk]) => formatPhaseLine(line).slice(0, at) + junk)
  const line = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string().map((rest) => `kvmio ${rest}`),
    damaged,
  )
  fc.assert(
    fc.property(line, (line) => {
      try {
        parsePhaseLine(line)
      } catch (error) {
        if (!(error instanceof ParseError)) throw error
      }
    }),
    { numRuns: 2000 },
  )
})

t.test('a log', async (t) => {
  t.test('is empty until it is there, and gives out each line once', async (t) => {
    const file = join(t.testdir(), 'phase.log')
    const log = new PhaseLog(file)
    t.strictSame(await log.read(), [])
    await writeFile(file, LOG.slice(0, 30))
    t.strictSame(await log.read(), LINES.slice(0, 1))
    t.equal(log.offset, LOG.indexOf('\n') + 1, 'a line that is not complete is left for next time')
    await writeFile(file, LOG)
    t.strictSame(await log.read(), LINES.slice(1))
    t.strictSame(await log.read(), [])
    t.equal(log.offset, LOG.length)
    t.equal(log.damaged, 0)
  })

  t.test('goes on at an offset', async (t) => {
    const file = join(t.testdir({ 'phase.log': LOG }), 'phase.log')
    t.strictSame(await new PhaseLog(file, LOG.indexOf('kvmio 5')).read(), LINES.slice(4))
    t.strictSame(await new PhaseLog(file, LOG.length + 9).read(), [])
  })

  t.test('counts what a crash damaged, and goes on', async (t) => {
    const damaged = `${LOG.slice(0, 12)}\nSeaBIOS\r\n\0\xff\n${LOG}kvmio 7 9.9\r\n`
    const log = new PhaseLog(join(t.testdir({ 'phase.log': damaged }), 'phase.log'))
    t.strictSame(await log.read(), LINES)
    t.equal(log.damaged, 2)
  })

  t.test('passes over a line without an end', async (t) => {
    const file = join(t.testdir({ 'phase.log': 'x'.repeat(2 ** 20) }), 'phase.log')
    const log = new PhaseLog(file)
    t.strictSame(await log.read(), [])
    t.equal(log.damaged, 1)
    await appendFile(file, `\n${LOG}`)
    t.strictSame(await log.read(), LINES)
  })

  t.test('of more than a chunk is read whole', async (t) => {
    const file = join(t.testdir({ 'phase.log': LOG.repeat(10_000) }), 'phase.log')
    const log = new PhaseLog(file)
    t.equal((await log.read()).length, 60_000)
    t.equal(log.offset, (await readFile(file)).length)
  })

  t.test('says what is wrong with its file', async (t) => {
    const log = new PhaseLog(t.testdir())
    await t.rejects(log.read(), { code: 'EISDIR' })
  })

  t.test('gives the same lines however it grows', async (t) => {
    const directory = t.testdir()
    let files = 0
    const lines = fc.array(phaseLine, { minLength: 1, maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(lines, fc.array(fc.nat(2000)), fc.boolean(), async (lines, cuts, crlf) => {
        const end = crlf ? '\r\n' : '\n'
        const bytes = Buffer.from(lines.map((line) => formatPhaseLine(line) + end).join(''))
        const file = join(directory, String(++files))
        const log = new PhaseLog(file)
        const read: PhaseLine[] = []
        let from = 0
        for (const to of [...cuts.sort((a, b) => a - b), bytes.length]) {
          await appendFile(file, bytes.subarray(from, to))
          from = Math.max(from, to)
          read.push(...(await log.read()))
        }
        assert.deepEqual(read, lines)
      }),
      { numRuns: 50 },
    )
  })
})
