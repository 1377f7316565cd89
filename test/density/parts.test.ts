import t from 'tap'
import { carefulService, mixOf, type TierCapacity, tierService } from '../../src/density/cost.ts'
import { vmMemory } from '../../src/density/memory.ts'
import { normalShare } from '../../src/density/normal.ts'
import { pooled } from '../../src/density/pooled.ts'
import type { ClassCapacity, OperationClass } from '../../src/density/records.ts'

const MIB = 2 ** 20

const ofClass = (name: OperationClass, peak: number, baseLatency: number): ClassCapacity => ({
  ...{ class: name, peak, baseLatency, residual: 0 },
})

t.test('a write and its flush are one operation', async (t) => {
  t.strictSame(mixOf({ reads: 5, writes: 8, flushes: 2 }), {
    'random-read': 5,
    'random-write': 6,
    'synced-write': 2,
  })
  t.match(mixOf({ reads: 0, writes: 1, flushes: 9 }), { 'random-write': 0, 'synced-write': 1 })
})

t.test('what a tier serves of them', async (t) => {
  const writes = ofClass('random-write', 100, 0.01)
  const synced = ofClass('synced-write', 50, 0.02)
  const reads = ofClass('random-read', 200, 0.005)
  const mix = { 'random-write': 1, 'synced-write': 1 }
  const rows: [TierCapacity, unknown][] = [
    [{ classes: [writes, synced] }, { peak: 2 / 0.03, baseLatency: 0.015 }],
    [
      { classes: [writes], rated: 70 },
      { peak: 100, baseLatency: 0.01 },
    ],
    [{ classes: [reads], rated: 70 }, { peak: 70 }],
    [{ classes: [], rated: 70 }, { peak: 70 }],
    [{ classes: [] }, undefined],
  ]
  for (const [capacity, service] of rows) t.strictSame(tierService(capacity, mix), service)

  t.strictSame(carefulService({ classes: [reads, writes, synced] }), {
    peak: 100,
    baseLatency: 0.01,
  })
  t.strictSame(carefulService({ classes: [synced], rated: 70 }), { peak: 70 })
  t.equal(carefulService({ classes: [] }), undefined)
})

t.test('memory of one vm', async (t) => {
  const configuredBytes = 192 * MIB
  for (const [known, mib, why] of [
    [{}, 320, 'nothing measured: what qemu may take comes on top'],
    [{ takenBytes: 150 * MIB }, 192, 'it may come to touch the rest'],
    [{ takenBytes: 250 * MIB }, 250, 'qemu beside it'],
    [{ takenBytes: 150 * MIB, leftBytes: 128 * MIB }, 150, 'a balloon has taken some'],
    [{ takenBytes: 100 * MIB, leftBytes: 128 * MIB }, 128, 'the guest may touch what is left'],
    [{ takenBytes: 250 * MIB, statedBytes: 99 * MIB }, 99, 'stated'],
  ] as const) {
    t.equal(vmMemory({ configuredBytes, ...known }), mib * MIB, why)
  }
})

t.test('the share below z standard deviations', async (t) => {
  for (const [z, share] of [
    [0, 0.5],
    [1, 0.8413447],
    [1.645, 0.9500151],
    [2.326, 0.9899907],
    [-1, 0.1586553],
  ] as const) {
    t.ok(Math.abs(normalShare(z) - share) < 1e-6, `${z}: ${normalShare(z)}`)
  }
})

t.test('one demand from several', async (t) => {
  const seen = (
    mean: number,
    sigma: number,
    correlation: number,
    vms: number,
    seconds: number,
  ) => ({
    demand: { mean, sigma, correlation },
    vms,
    seconds,
  })
  t.equal(pooled([]), undefined)
  t.strictSame(pooled([seen(2, 3, 0.5, 4, 10)]), { mean: 2, sigma: 3, correlation: 0.5 })
  t.strictSame(
    pooled([seen(2, 0, 0, 2, 10), seen(4, 0, 0.6, 3, 10)]),
    { mean: 3, sigma: 1, correlation: 0.3 },
    'that one asks more than another is in the deviation',
  )
  t.strictSame(
    pooled([seen(3, 0, 0, 1, 1000), seen(3, 0, 0.6, 2, 10)]),
    { mean: 3, sigma: 0, correlation: 0.6 },
    'one vm alone has none',
  )
})
