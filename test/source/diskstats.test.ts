import t from 'tap'
import { parseDiskFields, parseDiskstats, readDiskstats } from '../../src/source/diskstats.ts'
import { fixture } from './fixtures.ts'
import { formatDiskstat } from './printers.ts'

t.test('reads a recorded host of 20 columns', async (t) => {
  const stats = await readDiskstats(fixture('pvm-debian12/proc'))
  const vda = stats.find(({ device }) => device === 'vda')
  t.match(vda, { major: 254, minor: 0, readsMerged: Number, discards: Object, flushes: Object })
  t.ok(vda && vda.readSectors > 0)
})

t.test('reads this host', async (t) => {
  const stats = await readDiskstats('/proc')
  for (const stat of stats) t.match(stat, { device: String, readsCompleted: Number })
})

t.test('each field has its place', async (t) => {
  const [stat] = parseDiskstats('254 0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19\n')
  t.strictSame(stat, {
    device: 'vda',
    major: 254,
    minor: 0,
    readsCompleted: 1,
    readsMerged: 2,
    readSectors: 3,
    readMs: 4,
    writesCompleted: 5,
    writesMerged: 6,
    writtenSectors: 7,
    writeMs: 8,
    ioNow: 9,
    ioMs: 10,
    ioWeightedMs: 11,
    discards: { completed: 12, merged: 13, sectors: 14, ms: 15 },
    flushes: { completed: 16, ms: 17 },
  })
})

t.test('what stands behind 20 columns is passed over', async (t) => {
  const [loop, path] = await readDiskstats(fixture('constructed-22-columns/proc'))
  const lab = await readDiskstats(fixture('recorded-stack-6.1/proc'))
  t.strictSame(
    [loop, path],
    ['loop0', 'nvme1c0n1'].map((name) => lab.find(({ device }) => device === name)),
  )
})

t.test('18 columns have no flushes', async (t) => {
  const [nvme] = await readDiskstats(fixture('constructed-4.19/proc'))
  t.strictSame(nvme?.discards, { completed: 40, merged: 2, sectors: 32768, ms: 60 })
  t.notOk(nvme && 'flushes' in nvme)
})

t.test('14 columns have no discards either', async (t) => {
  const stats = await readDiskstats(fixture('constructed-3.10/proc'))
  t.strictSame(
    stats.map(({ device }) => device),
    ['sda', 'sda1', 'dm-0', 'cciss/c0d0'],
  )
  t.match(stats[0], { readsCompleted: 1000, ioNow: 3, ioWeightedMs: 2500 })
  t.notOk(stats.some((stat) => 'discards' in stat || 'flushes' in stat))
})

t.test('partitions of 7 columns are left out', async (t) => {
  const stats = await readDiskstats(fixture('constructed-2.6.18/proc'))
  t.strictSame(
    stats.map(({ device }) => device),
    ['ram0', 'sda'],
  )
})

t.test('a guest sends what follows the name', async (t) => {
  const fields = parseDiskFields('1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17')
  t.match(fields, { readsCompleted: 1, ioWeightedMs: 11, flushes: { completed: 16, ms: 17 } })
  t.notOk('device' in fields)
})

t.test('bad lines', async (t) => {
  const bad: [mistake: string, text: string, message: string][] = [
    [
      'a negative number',
      '8 0 sda 10 0 -80 5 20 0 160 9 0 12 14',
      '/proc/diskstats:1: field 6 (sectors read): expected a whole number, got "-80"',
    ],
    [
      'a word, on the second line',
      '8 0 sda 10 0 80 5 20 0 160 9 0 12 14\n8 1 sda1 10 0 80 5 20 many 160 9 0 12 14\n',
      '/proc/diskstats:2: field 9 (writes merged): expected a whole number, got "many"',
    ],
    [
      'a bad flush count',
      '254 0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 1e3 17',
      '/proc/diskstats:1: field 19 (flushes completed): expected a whole number, got "1e3"',
    ],
    [
      'a bad major number',
      'x 0 sda 10 0 80 5 20 0 160 9 0 12 14',
      '/proc/diskstats:1: field 1 (major number): expected a whole number, got "x"',
    ],
    [
      'a line cut short',
      '254 0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13',
      '/proc/diskstats:1: expected 14, 18, 20 or more fields, found 16',
    ],
    ['one word', 'hello', '/proc/diskstats:1: expected 14, 18, 20 or more fields, found 1'],
  ]
  for (const [mistake, text, message] of bad) {
    t.throws(() => parseDiskstats(text), { name: 'ParseError', message }, mistake)
  }
  t.throws(() => parseDiskFields('1 2 3 4'), {
    message: 'disk statistics:1: expected 11, 15, 17 or more fields, found 4',
  })
  t.throws(() => parseDiskFields('1 2 x 4 5 6 7 8 9 10 11'), {
    message: 'disk statistics:1: field 3 (sectors read): expected a whole number, got "x"',
  })
})

t.test('prints what the kernel prints', async (t) => {
  const line = ' 254       0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17'
  t.equal(formatDiskstat(parseDiskstats(line)[0]!), line)
})
