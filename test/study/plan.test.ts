import { deepEqual, notDeepEqual } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { planCases, shuffled, tiersOf } from '../../src/study/plan.ts'
import { spaceNeeded } from '../../src/study/space.ts'
import { drive, guest, study } from './configs.ts'

t.test('factors expand as nested loops would, the last one fastest', async (t) => {
  const factors = {
    'drives.root.bus': ['virtio-blk', 'ide'],
    'drives.root.format': ['qcow2', 'raw'],
    vcpus: [1, 2],
  }
  const cases = planCases(study({ factors }), guest())
  t.strictSame(
    cases.map(({ name }) => name),
    [
      'virtio-blk-qcow2-1',
      'virtio-blk-qcow2-2',
      'virtio-blk-raw-1',
      'virtio-blk-raw-2',
      'ide-qcow2-1',
      'ide-qcow2-2',
      'ide-raw-1',
      'ide-raw-2',
    ],
  )
  const last = cases.at(-1)
  t.strictSame(last?.factors, {
    'drives.root.bus': 'ide',
    'drives.root.format': 'raw',
    vcpus: 2,
  })
  t.match(last?.guest, { vcpus: 2, drives: { root: { bus: 'ide', format: 'raw' } } })
  t.match(cases[0]?.guest, { vcpus: 1, drives: { root: { bus: 'virtio-blk', format: 'qcow2' } } })
})

t.test('quantities are read, and the guest itself stays as it is', async (t) => {
  const from = guest()
  const before = structuredClone(from)
  const [point] = planCases(study({ factors: { memory: ['64MiB'] } }), from)
  t.equal(point?.name, '64mib')
  t.equal(point?.guest.memory, 64 * 2 ** 20)
  t.strictSame(from, before)
})

t.test('without factors there is one case', async (t) => {
  const from = guest()
  const expected = [{ name: 'only', factors: {}, guest: from, skip: undefined }]
  t.strictSame(planCases(study(), from), expected)
})

t.test('a balloon that the memory of a case does not allow is skipped', async (t) => {
  const factors = { memory: ['128MiB', '192MiB'], 'balloon.target': ['64MiB', '160MiB'] }
  const cases = planCases(study({ factors }), guest())
  t.strictSame(
    cases.map(({ name, skip }) => [name, skip]),
    [
      ['128mib-64mib', 'balloon: expected at least 96MiB for the appliance, got 64MiB'],
      ['128mib-160mib', "balloon: expected at most the guest's memory, 128MiB, got 160MiB"],
      ['192mib-64mib', 'balloon: expected at least 96MiB for the appliance, got 64MiB'],
      ['192mib-160mib', undefined],
    ],
  )
})

t.test('a case that qemu would refuse is skipped, with the rule', async (t) => {
  const factors = {
    'drives.root.aio': ['native', 'threads'],
    'drives.root.cache': ['none', 'directsync', 'writeback', 'writethrough', 'unsafe'],
  }
  const cases = planCases(study({ factors }), guest())
  const reason = (cache: string) =>
    `drives.root.aio: aio native needs cache none or directsync (it works on O_DIRECT alone), got cache ${cache}`
  t.strictSame(
    cases.flatMap(({ name, skip }) => (skip === undefined ? [] : [[name, skip]])),
    [
      ['native-writeback', reason('writeback')],
      ['native-writethrough', reason('writethrough')],
      ['native-unsafe', reason('unsafe')],
    ],
  )
  t.equal(cases.length, 10)
})

t.test('any drive can be the reason', async (t) => {
  const drives = { root: drive(), data: drive({ cache: 'writeback' }) }
  const [point] = planCases(
    study({ factors: { 'drives.data.aio': ['native'] } }),
    guest({ drives }),
  )
  t.match(point?.skip, /^drives\.data\.aio: aio native needs cache none or directsync/)
})

t.test('the tiers of a guest, each once', async (t) => {
  const drives = {
    a: drive({ tier: 'ssd' }),
    b: drive({ tier: 'sata' }),
    c: drive({ tier: 'ssd' }),
  }
  t.strictSame(tiersOf(guest({ drives })), ['ssd', 'sata'])
})

const SEED = fc.nat(2 ** 31)
const BLOCK = fc.integer({ min: 1, max: 10_000 })

t.test('the order of a block holds each case once, and is the same for the same seed', async () => {
  fc.assert(
    fc.property(fc.array(fc.nat()), SEED, BLOCK, (items, seed, block) => {
      const given = [...items]
      const order = shuffled(items, seed, block)
      deepEqual([...order].sort(), [...items].sort())
      deepEqual(shuffled(items, seed, block), order)
      deepEqual(items, given, 'the list itself stays in order')
    }),
  )
})

t.test('another block or another seed, another order', async () => {
  // 40 cases have so many orders that two the same would be no accident.
  const items = Array.from({ length: 40 }, (_, index) => index)
  fc.assert(
    fc.property(SEED, BLOCK, BLOCK, (seed, a, b) => {
      fc.pre(a !== b)
      notDeepEqual(shuffled(items, seed, a), shuffled(items, seed, b))
      notDeepEqual(shuffled(items, seed, a), shuffled(items, seed + 1, a))
    }),
  )
})

t.test('each case comes first about as often as any other', async (t) => {
  const first = new Map<string, number>()
  for (let block = 1; block <= 4000; block++) {
    const [name] = shuffled(['a', 'b', 'c', 'd'], 42, block) as [string]
    first.set(name, (first.get(name) ?? 0) + 1)
  }
  // 1000 each; five standard deviations of a binomial are 137.
  for (const [name, times] of first) t.ok(Math.abs(times - 1000) < 137, `${name}: ${times}`)
  t.equal(first.size, 4)
})

t.test('space: the case that takes most, of those that run', async (t) => {
  const drives = {
    root: drive({ tier: 'ssd', format: 'raw', size: 2 ** 30 }),
    data: drive({ tier: 'sata', format: 'raw', size: 2 ** 20 }),
  }
  const factors = { 'drives.data.size': ['1MiB', '3MiB', '2MiB'] }
  const cases = planCases(study({ factors }), guest({ drives }))
  t.strictSame(
    spaceNeeded(cases, 2),
    new Map([
      ['ssd', 2 * 2 ** 30],
      ['sata', 6 * 2 ** 20],
    ]),
  )
  const skipped = cases.map((point, index) => (index > 0 ? { ...point, skip: 'no' } : point))
  t.equal(spaceNeeded(skipped, 2).get('sata'), 2 * 2 ** 20)
  t.strictSame(spaceNeeded([], 2), new Map())
  const both = { a: drive({ format: 'raw', size: 2 ** 20 }), b: drive({ size: 2 ** 20 }) }
  const needed = spaceNeeded(planCases(study(), guest({ drives: both })), 1).get('local') ?? 0
  t.ok(needed > 2 * 2 ** 20, 'two drives of one tier add up, and qcow2 has tables of its own')
})
