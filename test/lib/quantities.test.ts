import fc from 'fast-check'
import t from 'tap'
import { formatBytes, formatSeconds, parseBytes, parseSeconds } from '../../src/lib/quantities.ts'

t.test('sizes', async (t) => {
  const table: [text: string, bytes: number | undefined][] = [
    ['0B', 0],
    ['512B', 512],
    ['64KiB', 65_536],
    ['192MiB', 201_326_592],
    ['1.5GiB', 1_610_612_736],
    ['16TiB', 2 ** 44],
    ['0.5KiB', 512],
    ['0.3B', undefined],
    ['0.1KiB', undefined],
    ['8192TiB', undefined],
    ['8191TiB', 8191 * 2 ** 40],
    ['192', undefined],
    ['192M', undefined],
    ['192MB', undefined],
    ['192 MiB', undefined],
    ['192mib', undefined],
    ['-1GiB', undefined],
    ['+1GiB', undefined],
    ['1e3B', undefined],
    ['.5GiB', undefined],
    ['1.GiB', undefined],
    ['1GiB\n', undefined],
    ['', undefined],
  ]
  for (const [text, bytes] of table) t.equal(parseBytes(text), bytes, JSON.stringify(text))
})

t.test('durations', async (t) => {
  const table: [text: string, seconds: number | undefined][] = [
    ['0s', 0],
    ['10ms', 0.01],
    ['29ms', 0.029],
    ['250us', 0.000_25],
    ['2.5ms', 0.0025],
    ['30s', 30],
    ['1.5m', 90],
    ['2h', 7200],
    ['1d', 86_400],
    ['10', undefined],
    ['10 ms', undefined],
    ['10min', undefined],
    ['10S', undefined],
    ['-1s', undefined],
    ['1m30s', undefined],
    ['Infinitys', undefined],
    ['', undefined],
  ]
  for (const [text, seconds] of table) t.equal(parseSeconds(text), seconds, JSON.stringify(text))
})

t.test('sizes for people', async (t) => {
  const table: [bytes: number, text: string][] = [
    [0, '0 B'],
    [1, '1 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [201_326_592, '192 MiB'],
    [2 ** 40, '1 TiB'],
    [2 ** 50, '1024 TiB'],
  ]
  for (const [bytes, text] of table) t.equal(formatBytes(bytes), text)
})

t.test('durations for people', async (t) => {
  const table: [seconds: number, text: string][] = [
    [0, '0 ms'],
    [0.01, '10 ms'],
    [0.0104, '10.4 ms'],
    [1, '1 s'],
    [12.34, '12.3 s'],
    [60, '1 min 0 s'],
    [245, '4 min 5 s'],
    [3600, '1 h 0 min'],
    [7380, '2 h 3 min'],
  ]
  for (const [seconds, text] of table) t.equal(formatSeconds(seconds), text)
})

t.test('what is printed reads back as what it was, to the printed digit', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 50 }), (bytes) => {
      const text = formatBytes(bytes).replace(' ', '')
      // One decimal of a unit is seldom a whole number of bytes; the unit says how far off it may be.
      const unit = parseBytes(text.replace(/^[\d.]+/, '1'))!
      const printed = Number.parseFloat(text) * unit
      return Math.abs(printed - bytes) <= unit * 0.05 && (parseBytes(text) ?? printed) === printed
    }),
  )
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 13 }), fc.nat({ max: 3 }), (amount, power) => {
      const text = `${amount}${['B', 'KiB', 'MiB', 'GiB'][power]}`
      return parseBytes(text) === amount * 1024 ** power
    }),
  )
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 59_900 }), (milliseconds) => {
      const seconds = milliseconds / 1000
      const read = parseSeconds(formatSeconds(seconds).replace(' ', ''))!
      return Math.abs(read - seconds) <= (seconds < 1 ? 0.000_051 : 0.0501)
    }),
  )
})
