import { equal, ok } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { type Diskstat, parseDiskstats } from '../../src/source/diskstats.ts'
import { accumulateDiskstat, type DiskTotal } from '../../src/source/diskstats-accumulator.ts'

const WRAP = 2 ** 32

/** A disk with these counts; all else is 0. */
function disk(counts: Partial<Diskstat> = {}): Diskstat {
  return { ...parseDiskstats(`254 0 vda ${'0 '.repeat(17)}`)[0]!, ...counts }
}

function totalOf(stats: readonly Diskstat[]): Diskstat {
  return stats.reduce<DiskTotal | undefined>(accumulateDiskstat, undefined)!.total
}

const cases: [what: string, readings: Partial<Diskstat>[], total: Partial<Diskstat>][] = [
  [
    'the first reading is the total',
    [{ readsCompleted: 7, readMs: 3 }],
    { readsCompleted: 7, readMs: 3 },
  ],
  ['a counter grows', [{ readsCompleted: 7 }, { readsCompleted: 9 }], { readsCompleted: 9 }],
  ['a time wraps', [{ readMs: WRAP - 10 }, { readMs: 5 }], { readMs: WRAP + 5 }],
  [
    'a time wraps twice',
    [{ writeMs: WRAP - 1 }, { writeMs: 3 }, { writeMs: WRAP - 1 }, { writeMs: 0 }],
    { writeMs: 2 * WRAP },
  ],
  [
    'a time wraps while the others grow',
    [
      { ioWeightedMs: WRAP - 1, writesCompleted: 10, ioMs: 4 },
      { ioWeightedMs: 1, writesCompleted: 12, ioMs: 6 },
    ],
    { ioWeightedMs: WRAP + 1, writesCompleted: 12, ioMs: 6 },
  ],
  [
    'nested times wrap too',
    [
      {
        discards: { completed: 1, merged: 0, sectors: 8, ms: WRAP - 2 },
        flushes: { completed: 1, ms: WRAP - 2 },
      },
      {
        discards: { completed: 2, merged: 0, sectors: 16, ms: 2 },
        flushes: { completed: 2, ms: 2 },
      },
    ],
    {
      discards: { completed: 2, merged: 0, sectors: 16, ms: WRAP + 2 },
      flushes: { completed: 2, ms: WRAP + 2 },
    },
  ],
  [
    'a count that falls is a reset: all start again',
    [
      { readsCompleted: 100, readMs: WRAP - 10, writesCompleted: 5 },
      { readsCompleted: 2, readMs: 1, writesCompleted: 6 },
    ],
    { readsCompleted: 102, readMs: WRAP - 9, writesCompleted: 11 },
  ],
  [
    'a time that falls from the lower half is a reset',
    [
      { readsCompleted: 100, readMs: 500 },
      { readsCompleted: 150, readMs: 400 },
    ],
    { readsCompleted: 250, readMs: 900 },
  ],
  [
    'another device number is a reset, even when nothing fell',
    [{ readsCompleted: 100 }, { minor: 16, readsCompleted: 150 }],
    { minor: 16, readsCompleted: 250 },
  ],
  ['what is in flight is no sum', [{ ioNow: 9 }, { ioNow: 4 }], { ioNow: 4 }],
]

for (const [what, readings, total] of cases) {
  t.test(what, async (t) => {
    t.match(totalOf(readings.map(disk)), total)
  })
}

t.test('what the kernel does not give stays absent', async (t) => {
  const { discards: _, flushes: __, ...old } = disk({ readsCompleted: 1 })
  t.notOk('discards' in totalOf([old, old]))
  t.notOk('flushes' in totalOf([old, old]))
})

t.test('through any number of wraps the total is the truth', async () => {
  // A step below 2^31 ms a reading: 24 days at a queue of 1, or 2,000,000 requests at once for a second.
  const step = fc.record({ count: fc.nat(1e6), ms: fc.nat(WRAP / 2 - 1) })
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
      const truth = { count: 0, ms: 0 }
      const readings = steps.map(({ count, ms }) => {
        truth.count += count
        truth.ms += ms
        return disk({ writesCompleted: truth.count, writeMs: truth.ms % WRAP })
      })
      const total = totalOf(readings)
      equal(total.writesCompleted, truth.count)
      equal(total.writeMs, truth.ms)
    }),
  )
})

t.test('whatever is read, no total falls or is below the last reading', async () => {
  const value = fc.nat(WRAP - 1)
  const reading = fc.record({
    minor: fc.nat(1),
    readsCompleted: value,
    writtenSectors: value,
    readMs: value,
    ioMs: value,
  })
  const keys = ['readsCompleted', 'writtenSectors', 'readMs', 'ioMs'] as const
  fc.assert(
    fc.property(fc.array(reading, { minLength: 1, maxLength: 30 }), (readings) => {
      let before: DiskTotal | undefined
      for (const one of readings.map(disk)) {
        const after = accumulateDiskstat(before, one)
        for (const key of keys) {
          if (before) ok(after.total[key] >= before.total[key])
          ok(after.total[key] >= one[key])
        }
        before = after
      }
    }),
  )
})
