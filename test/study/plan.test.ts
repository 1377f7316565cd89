import { deepEqual, notDeepEqual } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { blockOrder, planCases, shuffled, tiersOf } from '../../src/study/plan.ts'
import { spaceNeeded } from '../../src/study/space.ts'
import { planVms } from '../../src/study/vm-plans.ts'
import { drive, guest, study } from './configs.ts'

const PLACEMENT = {
  stateDir: '/state',
  locate: (tier: string, vm: string) => ({ kind: 'file' as const, path: `/${tier}/${vm}` }),
  accelerator: 'tcg' as const,
  appliance: { kernel: '/kernel', initrd: '/initrd' },
}

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
  const [point] = planCases(study({ factors: { memory: ['128MiB'] } }), from)
  t.equal(point?.name, '128mib')
  t.equal(point?.guest.memory, 128 * 2 ** 20)
  t.strictSame(from, before)
})

t.test('without factors there is one case', async (t) => {
  const from = guest()
  const expected = [{ name: 'only', factors: {}, guest: from, study: study(), skip: undefined }]
  t.strictSame(planCases(study(), from), expected)
})

t.test('a balloon that the memory of a case does not allow is skipped', async (t) => {
  const factors = { memory: ['128MiB', '192MiB'], 'balloon.target': ['64MiB', '160MiB'] }
  const cases = planCases(study({ factors }), guest())
  t.strictSame(
    cases.map(({ name, skip }) => [name, skip]),
    [
      ['128mib-64mib', 'balloon: expected at least 104MiB for the appliance, got 64MiB'],
      ['128mib-160mib', "balloon: expected at most the guest's memory, 128MiB, got 160MiB"],
      ['192mib-64mib', 'balloon: expected at least 104MiB for the appliance, got 64MiB'],
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

t.test('a case whose workload its own drives cannot hold is skipped', async (t) => {
  const factors = {
    'drives.root.size': ['16MiB', '64MiB'],
    'workload.boot-write-shutdown.write': ['8MiB', '32MiB', '128MiB'],
    vms: [1, 2],
  }
  const cases = planCases(study({ factors }), guest())
  const reason = (room: string, write: string) =>
    `workload.boot-write-shutdown.write: expected at most ${room} (nine tenths of drive root), got ${write}`
  t.strictSame(
    cases.filter(({ study }) => study.vms === 1).map(({ name, skip }) => [name, skip]),
    [
      ['16mib-8mib-1', undefined],
      ['16mib-32mib-1', reason('14.4 MiB', '32 MiB')],
      ['16mib-128mib-1', reason('14.4 MiB', '128 MiB')],
      ['64mib-8mib-1', undefined],
      ['64mib-32mib-1', undefined],
      ['64mib-128mib-1', reason('57.6 MiB', '128 MiB')],
    ],
  )
})

t.test('each case has its own number of vms, and all vms names of their own', async () => {
  const values = fc.uniqueArray(fc.integer({ min: 1, max: 120 }), { minLength: 1, maxLength: 4 })
  const staggers = fc.uniqueArray(fc.integer({ min: 0, max: 90 }), { minLength: 1, maxLength: 3 })
  fc.assert(
    fc.property(values, staggers, (vms, seconds) => {
      const factors = {
        stagger: seconds.map((value) => `${value}s`),
        hostCache: ['cold', 'warm'],
        vms,
      }
      const cases = planCases(study({ factors }), guest())
      deepEqual(
        cases.map(({ study }) => [study.stagger, study.hostCache, study.vms]),
        seconds.flatMap((stagger) =>
          ['cold', 'warm'].flatMap((c) => vms.map((n) => [stagger, c, n])),
        ),
      )
      const names = cases.flatMap((point) =>
        planVms('demo', point, PLACEMENT).map(({ name }) => name),
      )
      deepEqual(
        names.length,
        cases.reduce((sum, { study }) => sum + study.vms, 0),
      )
      deepEqual(new Set(names).size, names.length)
    }),
    { numRuns: 30 },
  )
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
  const workload = { kind: 'idle' as const, time: 1 }
  const cases = planCases(study({ vms: 2, factors, workload }), guest({ drives }))
  t.strictSame(
    spaceNeeded(cases),
    new Map([
      ['ssd', 2 * 2 ** 30],
      ['sata', 6 * 2 ** 20],
    ]),
  )
  const skipped = cases.map((point, index) => (index > 0 ? { ...point, skip: 'no' } : point))
  t.equal(spaceNeeded(skipped).get('sata'), 2 * 2 ** 20)
  t.strictSame(spaceNeeded([]), new Map())
  const both = { a: drive({ format: 'raw', size: 2 ** 20 }), b: drive({ size: 2 ** 20 }) }
  const needed =
    spaceNeeded(planCases(study({ workload }), guest({ drives: both }))).get('local') ?? 0
  t.ok(needed > 2 * 2 ** 20, 'two drives of one tier add up, and qcow2 has tables of its own')
})

t.test('the reference runs at the start, in the middle and at the end of each block', async (t) => {
  const cases = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ name: index === 0 ? 'ref' : `c${index}` }))
  const order = (count: number) => blockOrder(cases(count), 'ref', 1, 1).map(({ name }) => name)
  t.strictSame(order(1), ['ref'])
  t.strictSame(order(2), ['ref', 'c1', 'ref'])
  t.match(order(3), ['ref', /^c/, 'ref', /^c/, 'ref'])
  fc.assert(
    fc.property(fc.integer({ min: 3, max: 40 }), SEED, BLOCK, (count, seed, block) => {
      const names = blockOrder(cases(count), 'ref', seed, block).map(({ name }) => name)
      const places = names.flatMap((name, index) => (name === 'ref' ? [index] : []))
      deepEqual(places.length, 3)
      deepEqual([places[0], places[2]], [0, names.length - 1])
      // As many before the middle as after it, or one more.
      const [before, after] = [places[1]! - 1, names.length - 2 - places[1]!]
      deepEqual(before - after, (count - 1) % 2)
      deepEqual(
        names.filter((name) => name !== 'ref').sort(),
        cases(count)
          .slice(1)
          .map(({ name }) => name)
          .sort(),
      )
      deepEqual(
        names,
        blockOrder(cases(count), 'ref', seed, block).map(({ name }) => name),
      )
    }),
  )
})

t.test('without a reference, or when it is skipped, the cases are shuffled', async (t) => {
  const cases = [{ name: 'a' }, { name: 'b' }, { name: 'c' }]
  t.strictSame(blockOrder(cases, undefined, 5, 2), shuffled(cases, 5, 2))
  t.strictSame(blockOrder(cases, 'gone', 5, 2), shuffled(cases, 5, 2))
})

t.test('what the study sets comes first, then what the case does', async (t) => {
  const settings = { memory: '256MiB', 'drives.root.bus': 'ide', 'workload.idle.time': '5s' }
  const factors = { image: { raw: { 'drives.root.format': 'raw' }, qcow2: { vcpus: 2 } } }
  const workload = { kind: 'idle' as const, time: 1 }
  const cases = planCases(study({ settings, factors, workload }), guest())
  const base = { memory: 256 * 2 ** 20, drives: { root: { bus: 'ide' } } }
  t.match(cases, [
    { name: 'raw', guest: { ...base, vcpus: 1 }, study: { workload: { time: 5 } } },
    { name: 'qcow2', guest: { ...base, vcpus: 2 }, study: { workload: { time: 5 } } },
  ])
  t.equal(cases[0]?.guest.drives.root?.format, 'raw')
})
