import { deepEqual, ok } from 'node:assert/strict'
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
    'a time that falls a little is a reset, from the upper half too',
    [
      { readsCompleted: 100, readMs: WRAP - 10 },
      { readsCompleted: 150, readMs: WRAP - 500 },
    ],
    { readsCompleted: 250, readMs: 2 * WRAP - 510 },
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

const TIMES = ['readMs', 'writeMs', 'ioMs', 'ioWeightedMs', 'discardMs', 'flushMs'] as const
const COUNTS = [
  ...(['readsCompleted', 'readsMerged', 'readSectors'] as const),
  ...(['writesCompleted', 'writesMerged', 'writtenSectors'] as const),
  ...(['discardsCompleted', 'discardSectors', 'flushesCompleted'] as const),
]
type Key = (typeof TIMES)[number] | (typeof COUNTS)[number]
type Flat = Record<Key, number>

function diskOf(flat: Flat, minor = 0): Diskstat {
  const { discardMs, flushMs, discardsCompleted, discardSectors, flushesCompleted, ...rest } = flat
  const discards = {
    ...{ completed: discardsCompleted, merged: 0, sectors: discardSectors, ms: discardMs },
  }
  return disk({ ...rest, minor, discards, flushes: { completed: flushesCompleted, ms: flushMs } })
}

function flat({ discards, flushes, ...stat }: Diskstat): Flat {
  const nested = {
    ...{ discardsCompleted: discards!.completed, discardSectors: discards!.sectors },
    ...{ discardMs: discards!.ms, flushesCompleted: flushes!.completed, flushMs: flushes!.ms },
  }
  const all = { ...stat, ...nested }
  return Object.fromEntries([...TIMES, ...COUNTS].map((key) => [key, all[key]])) as Flat
}

const each = (ofTime: number, ofCount: number) =>
  fc.record(
    Object.fromEntries([
      ...TIMES.map((key) => [key, fc.nat(ofTime)] as const),
      ...COUNTS.map((key) => [key, fc.nat(ofCount)] as const),
    ]) as Record<Key, fc.Arbitrary<number>>,
  )

function plus(a: Flat, b: Flat): Flat {
  const keys = Object.keys(a) as Key[]
  return Object.fromEntries(keys.map((key) => [key, a[key] + b[key]])) as Flat
}

/** As the kernel prints a run: counts have 64 bits, times are cut to 32. */
function printed(truth: Flat): Flat {
  const times = TIMES.map((key) => [key, truth[key] % WRAP])
  return { ...truth, ...Object.fromEntries(times) }
}

// A step below 2^31 ms a reading: 24 days at a queue of 1, or 2,000,000 requests at once for a second.
const growth = each(WRAP / 2 - 1, 2 ** 40)
const NOTHING = flat(disk())

t.test('a run that was cut to 32 bits and read at intervals is restored exactly', async () => {
  fc.assert(
    fc.property(growth, fc.array(growth, { maxLength: 60 }), (first, steps) => {
      let truth = { ...NOTHING, ...printed(first) }
      let state: DiskTotal | undefined = accumulateDiskstat(undefined, diskOf(truth))
      for (const step of steps) {
        truth = plus(truth, step)
        state = accumulateDiskstat(state, diskOf(printed(truth)))
        deepEqual(flat(state.total), truth)
      }
    }),
  )
})

t.test('over resets the total is the sum of what each device counted', async () => {
  // Each device counts at least one read more at its last reading than the next one at its first: else nobody can tell.
  const steps = fc.array(growth, { minLength: 1, maxLength: 8 })
  const life = fc.record({ minor: fc.nat(3), steps })
  fc.assert(
    fc.property(fc.array(life, { minLength: 1, maxLength: 8 }), (lives) => {
      let state: DiskTotal | undefined
      let before = NOTHING
      let lastMinor: number | undefined
      for (const { minor, steps } of lives) {
        let truth = NOTHING
        for (const [index, step] of steps.entries()) {
          const isTold = index > 0 || minor !== lastMinor
          const readsCompleted = state
            ? Math.min(step.readsCompleted, state.seen.readsCompleted - 1)
            : 0
          if (!isTold && readsCompleted < 0) return
          truth = plus(truth, isTold ? step : { ...step, readsCompleted })
          state = accumulateDiskstat(state, diskOf(printed(truth), minor))
          deepEqual(flat(state.total), plus(before, truth))
        }
        before = plus(before, truth)
        lastMinor = minor
      }
    }),
  )
})

t.test(
  'whatever is read, no total falls, and none rises by more than a reset or a wrap explains',
  async () => {
    const reading = fc.record({ minor: fc.nat(1), counters: each(WRAP - 1, 2 ** 40) })
    fc.assert(
      fc.property(fc.array(reading, { minLength: 2, maxLength: 30 }), (readings) => {
        let state: DiskTotal | undefined
        for (const { minor, counters } of readings) {
          const next = accumulateDiskstat(state, diskOf(counters, minor))
          const [old, now] = [flat(state?.total ?? diskOf(NOTHING)), flat(next.total)]
          for (const key of [...COUNTS, ...TIMES]) {
            ok(now[key] >= old[key])
            const most = (TIMES as readonly string[]).includes(key) ? WRAP / 2 : 0
            ok(now[key] - old[key] <= Math.max(counters[key], most), key)
          }
          state = next
        }
      }),
    )
  },
)
