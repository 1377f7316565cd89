import { deepEqual, equal, ok } from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { pidExists } from '../../src/lib/process.ts'
import { readDiskstats } from '../../src/source/diskstats.ts'
import {
  type IostatDevice,
  IostatReader,
  iostatBlocks,
  parseIostatReport,
} from '../../src/source/iostat.ts'
import { fixture } from './fixtures.ts'

const RECORDED = readFileSync(fixture('pvm-debian12/iostat/12.6.1.json'), 'utf8')
const DEVICE: Omit<IostatDevice, 'flushAwaitSeconds'> = {
  device: 'sda',
  readsPerSecond: 40,
  writesPerSecond: 10,
  readBytesPerSecond: 160 * 1024,
  writtenBytesPerSecond: 80 * 1024,
  readAwaitSeconds: 0.0045,
  writeAwaitSeconds: 0.007,
  queueLength: 0.25,
  utilRatio: 0.25,
}

function blocksOf(document: string): IostatDevice[][] {
  return iostatBlocks()(document).map((block) => parseIostatReport(block))
}

for (const version of ['11.5.1', '11.7.1', '12.1.2']) {
  t.test(`reads iostat ${version}`, async (t) => {
    const document = readFileSync(fixture(`constructed-iostat/${version}.json`), 'utf8')
    const [devices, ...more] = blocksOf(document)
    t.strictSame(devices?.[0], DEVICE)
    t.equal(devices?.[1]?.device, 'disk')
    t.equal(devices?.length, 2)
    t.strictSame(more, [])
  })
}

t.test('reads the recorded iostat 12.6.1', async (t) => {
  const blocks = blocksOf(RECORDED)
  t.equal(blocks.length, 3)
  const vda = blocks[0]?.find(({ device }) => device === 'vda')
  t.strictSame(vda, {
    device: 'vda',
    readsPerSecond: 0,
    writesPerSecond: 68,
    readBytesPerSecond: 0,
    writtenBytesPerSecond: 4108 * 1024,
    readAwaitSeconds: 0,
    writeAwaitSeconds: 0.13 / 1000,
    flushAwaitSeconds: 0,
    queueLength: 0.01,
    utilRatio: 0.024,
  })
})

t.test('a negative rate and a figure that is no number are left out', async (t) => {
  const text =
    '{"disk": [{"disk_device": "sda", "r/s": -1, "w/s": "4", "util": 10, "new-key": {"a": 1}}]}'
  t.strictSame(parseIostatReport(text), [{ device: 'sda', utilRatio: 0.1 }])
})

t.test('bad blocks', async (t) => {
  const bad: [mistake: string, text: string, message: string][] = [
    ['not JSON', '{"disk": [', 'iostat:1: expected a block of statistics as JSON, got {"disk": ['],
    ['not an object', '[]', 'iostat:1: expected a block of statistics as JSON, got []'],
    ['without disks', '{"cpu": []}', 'iostat:1: disk: expected a list of devices, got nothing'],
    ['disks that are no list', '{"disk": 4}', 'iostat:1: disk: expected a list of devices, got 4'],
    [
      'a device without a name',
      '{"disk": [{"disk_device": "sda"}, {"r/s": 1}]}',
      'iostat:1: disk[1]: expected an object with disk_device, got {"r/s":1}',
    ],
    [
      'no device',
      '{"disk": [null]}',
      'iostat:1: disk[0]: expected an object with disk_device, got null',
    ],
  ]
  for (const [mistake, text, message] of bad) {
    t.throws(() => parseIostatReport(text), { name: 'ParseError', message }, mistake)
  }
})

t.test('blocks come out whole, wherever the stream is cut', async () => {
  const cuts = fc.array(fc.nat(RECORDED.length), { maxLength: 40 })
  fc.assert(
    fc.property(cuts, (cuts) => {
      const split = iostatBlocks()
      const edges = [0, ...cuts.sort((a, b) => a - b), RECORDED.length]
      const chunks = edges.slice(1).map((edge, index) => RECORDED.slice(edges[index], edge))
      deepEqual(chunks.flatMap(split), iostatBlocks()(RECORDED))
    }),
  )
})

const DOCUMENTS = [
  ['12.6.1', RECORDED],
  ...['11.5.1', '11.7.1', '12.1.2'].map((version) => [
    version,
    readFileSync(fixture(`constructed-iostat/${version}.json`), 'utf8'),
  ]),
] as [version: string, document: string][]

for (const [version, document] of DOCUMENTS) {
  t.test(
    `${version}: cut at any byte, what was whole is read, and the next one starts anew`,
    async () => {
      const whole = iostatBlocks()(document)
      for (let at = 0; at <= document.length; at++) {
        const split = iostatBlocks()
        const before = split(document.slice(0, at))
        deepEqual(before, whole.slice(0, before.length))
        // A restarted iostat gets a splitter of its own, but what died may have been in the middle of a line.
        deepEqual([...before, ...split(`\n${document}`)].slice(-whole.length), whole)
      }
    },
  )

  t.test(`${version}: garbage between two lines costs their block at the most`, async () => {
    const whole = blocksOf(document)
    const lines = document.split('\n')
    const noise = fc.string().filter((text) => !/"disk":|^\s*\]/m.test(text))
    fc.assert(
      fc.property(fc.nat(lines.length), noise, (at, noise) => {
        const found = iostatBlocks()(lines.toSpliced(at, 0, noise).join('\n'))
        equal(found.length, whole.length)
        const read = found.map((block) => {
          try {
            return parseIostatReport(block)
          } catch (error) {
            equal((error as Error).name, 'ParseError')
            return undefined
          }
        })
        const same = read.filter((block, index) => isDeepStrictEqual(block, whole[index]))
        ok(same.length >= whole.length - 1)
      }),
    )
  })
}

t.test('a block comes out as soon as its list is closed', async (t) => {
  const end = RECORDED.indexOf(']\n') + 2
  const split = iostatBlocks()
  t.equal(split(RECORDED.slice(0, end - 1)).length, 0)
  t.equal(split(RECORDED.slice(end - 1, end)).length, 1)
})

t.test('truncation and garbage cost no more than their own block', async (t) => {
  const [first, second, third] = iostatBlocks()(RECORDED)
  const cut = RECORDED.indexOf('"vda"') // within the first block
  const next = RECORDED.indexOf('"disk": [', cut)
  t.strictSame(iostatBlocks()(RECORDED.slice(0, cut) + RECORDED.slice(next)), [second, third])
  const noise = '}}]\n"{{[[\n\u0000 %%% \n,,\n'
  const noisy = RECORDED.replaceAll('\t\t\t\t{\n', `${noise}\t\t\t\t{\n`)
  t.strictSame(iostatBlocks()(noisy), [first, second, third])
  const twice = RECORDED.slice(0, cut) + RECORDED
  t.strictSame(iostatBlocks()(twice), [first, second, third])
})

t.test('no stream of garbage is kept', async (t) => {
  const split = iostatBlocks()
  for (let left = 50; left > 0; left--) t.strictSame(split('x'.repeat(100_000)), [])
  t.equal(split(`\n${RECORDED}`).length, 3)
})

const skip = isInstalled() ? false : 'iostat is not installed (Debian package sysstat)'

t.test('the real iostat', { skip }, async (t) => {
  process.env.POSIXLY_CORRECT = '1' // iostat would print sectors
  t.teardown(() => {
    delete process.env.POSIXLY_CORRECT
  })
  const errors: string[] = []
  const reader = new IostatReader({
    intervalSeconds: 1,
    onError: (error) => errors.push(error.message),
    now: Date.now,
  })
  t.teardown(() => reader.stop())
  t.equal(reader.latest(), undefined)
  reader.start()
  const { at, devices } = await eventually(() => reader.latest())
  t.ok(Date.now() - at < 2000)
  const known = (await readDiskstats('/proc')).map(({ device }) => device)
  for (const device of devices) {
    t.ok(known.includes(device.device), device.device)
    t.match(device, { readsPerSecond: Number, readBytesPerSecond: Number, utilRatio: Number })
  }
  const first = reader.pid!
  process.kill(first, 'SIGKILL')
  const again = await eventually(() => (reader.latest()?.at ?? 0) > at + 1500 && reader.latest())
  t.ok(again)
  t.not(reader.pid, first)
  t.strictSame(errors, ['iostat is started again in 1 s: iostat was killed by SIGKILL'])
  const second = reader.pid!
  await reader.stop()
  t.notOk(pidExists(second))
  t.equal(errors.length, 1, 'stopping is no error')
})

t.test('a reading grows old after three intervals', { skip }, async (t) => {
  let clock = 1_000_000
  const reader = new IostatReader({ intervalSeconds: 1, onError: t.fail, now: () => clock })
  t.teardown(() => reader.stop())
  reader.start()
  const { at } = await eventually(() => reader.latest())
  await reader.stop()
  clock = at + 3000
  t.ok(reader.latest())
  clock = at + 3001
  t.equal(reader.latest(), undefined)
})

t.test('an iostat that is not there is asked for again, and stopping does not wait', async (t) => {
  const errors: string[] = []
  const reader = new IostatReader({
    intervalSeconds: 1,
    onError: (error) => errors.push(error.message),
    binary: '/nowhere/iostat',
    now: Date.now,
  })
  t.teardown(() => reader.stop())
  reader.start()
  await eventually(() => errors.length === 2)
  t.strictSame(errors, [
    'iostat is started again in 1 s: iostat did not start: /nowhere/iostat is not installed',
    'iostat is started again in 2 s: iostat did not start: /nowhere/iostat is not installed',
  ])
  const began = Date.now()
  await reader.stop()
  t.ok(Date.now() - began < 500)
})

t.test('an iostat that is too old for JSON says so', async (t) => {
  const directory = t.testdir({
    iostat: '#!/bin/sh\necho "Usage: iostat [ options ]" >&2\nexit 1\n',
  })
  execFileSync('chmod', ['755', `${directory}/iostat`])
  const errors: string[] = []
  const reader = new IostatReader({
    intervalSeconds: 1,
    onError: (error) => errors.push(error.message),
    binary: `${directory}/iostat`,
    now: Date.now,
  })
  t.teardown(() => reader.stop())
  reader.start()
  await eventually(() => errors.length === 1)
  t.strictSame(errors, [
    'iostat is started again in 1 s: iostat exited with code 1:\n  Usage: iostat [ options ]',
  ])
})

t.test('blocks that cannot be read are told of once', async (t) => {
  const block = '"disk": [\\n oops\\n]\\n'
  const script = `#!/bin/sh\nprintf '${block}${block}'\nexec sleep 30\n`
  const directory = t.testdir({ iostat: script })
  execFileSync('chmod', ['755', `${directory}/iostat`])
  const errors: string[] = []
  const reader = new IostatReader({
    intervalSeconds: 1,
    onError: (error) => errors.push(error.message),
    binary: `${directory}/iostat`,
    now: Date.now,
  })
  t.teardown(() => reader.stop())
  reader.start()
  await eventually(() => errors.length > 0)
  await sleep(100)
  t.strictSame(errors, [
    'iostat:1: expected a block of statistics as JSON, got {"disk": [\n oops\n]}',
  ])
  await reader.stop()
})

function isInstalled(): boolean {
  try {
    execFileSync('iostat', ['-V'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

async function eventually<T>(probe: () => T | undefined | false): Promise<T> {
  for (let left = 300; left > 0; left--) {
    const value = probe()
    if (value) return value
    await sleep(50)
  }
  throw new Error('it did not come in 15 s')
}
