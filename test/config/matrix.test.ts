import { deepEqual } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { expandMatrix } from '../../src/config/matrix.ts'

const IMAGE = {
  qcow2: { 'drives.root.format': 'qcow2' },
  'qcow2-metadata': { 'drives.root.format': 'qcow2', 'drives.root.preallocation': 'metadata' },
  raw: { 'drives.root.format': 'raw' },
}
const BUS = { 'drives.root.bus': ['virtio-blk', 'ide'] }

const names = (study: Parameters<typeof expandMatrix>[0]) =>
  expandMatrix(study).map(({ name }) => name)

t.test('names stand for what varies together', async (t) => {
  const points = expandMatrix({ factors: { ...BUS, image: IMAGE } })
  t.strictSame(
    points.map(({ name }) => name),
    [
      'virtio-blk-qcow2',
      'virtio-blk-qcow2-metadata',
      'virtio-blk-raw',
      'ide-qcow2',
      'ide-qcow2-metadata',
      'ide-raw',
    ],
  )
  t.strictSame(points[4], {
    name: 'ide-qcow2-metadata',
    factors: { 'drives.root.bus': 'ide', image: 'qcow2-metadata' },
    settings: {
      'drives.root.bus': 'ide',
      'drives.root.format': 'qcow2',
      'drives.root.preallocation': 'metadata',
    },
  })
})

t.test('a name for a value of one key', async (t) => {
  const [point] = expandMatrix({ factors: { memory: { small: '128MiB' } } })
  t.strictSame(point, {
    name: 'small',
    factors: { memory: 'small' },
    settings: { memory: '128MiB' },
  })
})

t.test('exclude leaves out the cases that have all of its values', async (t) => {
  t.strictSame(
    names({
      factors: { ...BUS, image: IMAGE },
      exclude: [{ image: 'raw' }, { 'drives.root.bus': 'ide', image: 'qcow2' }],
    }),
    ['virtio-blk-qcow2', 'virtio-blk-qcow2-metadata', 'ide-qcow2-metadata'],
  )
})

// The example of GitHub's documentation, "Expanding or adding matrix configurations".
t.test('include reads as in the documentation of GitHub Actions', async (t) => {
  const points = expandMatrix({
    factors: { fruit: ['apple', 'pear'], animal: ['cat', 'dog'] },
    include: [
      { color: 'green' },
      { color: 'pink', animal: 'cat' },
      { fruit: 'apple', shape: 'circle' },
      { fruit: 'banana' },
      { fruit: 'banana', animal: 'cat' },
    ],
  })
  t.strictSame(
    points.map(({ factors }) => factors),
    [
      { fruit: 'apple', animal: 'cat', color: 'pink', shape: 'circle' },
      { fruit: 'apple', animal: 'dog', color: 'green', shape: 'circle' },
      { fruit: 'pear', animal: 'cat', color: 'pink' },
      { fruit: 'pear', animal: 'dog', color: 'green' },
      { fruit: 'banana' },
      { fruit: 'banana', animal: 'cat' },
    ],
  )
  t.strictSame(
    points.map(({ name }) => name),
    ['apple-cat', 'apple-dog', 'pear-cat', 'pear-dog', 'banana', 'banana-cat'],
    'what an entry adds to a case does not change its name',
  )
})

t.test('what an entry has added is not extended by a later one', async (t) => {
  const points = expandMatrix({
    factors: { fruit: ['apple'] },
    include: [{ fruit: 'banana' }, { color: 'pink' }],
  })
  t.strictSame(
    points.map(({ factors }) => factors),
    [{ fruit: 'apple', color: 'pink' }, { fruit: 'banana' }],
  )
})

t.test('an entry with a name is a case of its own', async (t) => {
  const lvm = { name: 'lvm', 'drives.root.tier': 'lvm', 'drives.root.format': 'raw' }
  const points = expandMatrix({ factors: { image: IMAGE }, include: [lvm] })
  t.strictSame(points.at(-1), {
    name: 'lvm',
    factors: { 'drives.root.tier': 'lvm', 'drives.root.format': 'raw' },
    settings: { 'drives.root.tier': 'lvm', 'drives.root.format': 'raw' },
  })
  t.equal(points.length, 4)
  t.strictSame(names({ include: [lvm] }), ['lvm'], 'without factors, entries are all there is')
  t.strictSame(names({}), ['only'])
})

t.test('an added case can use the names of a factor', async (t) => {
  const points = expandMatrix({
    factors: { ...BUS, image: IMAGE },
    include: [{ image: 'raw', 'drives.root.bus': 'nvme' }],
  })
  t.match(points.at(-1), {
    name: 'raw-nvme',
    settings: { 'drives.root.format': 'raw', 'drives.root.bus': 'nvme' },
  })
})

t.test('exclude and its opposite share the product among themselves', async () => {
  const values = fc.uniqueArray(fc.nat(20), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(values, values, values, (a, b, c) => {
      const factors = { a, b, c }
      const all = names({ factors })
      const without = names({ factors, exclude: [{ a: a[0]!, c: c[0]! }] })
      const only = names({ factors: { ...factors, a: [a[0]!], c: [c[0]!] } })
      deepEqual([...without, ...only].sort(), all.sort())
    }),
  )
})
