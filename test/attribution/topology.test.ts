import t from 'tap'
import { stackDevices } from '../../src/attribution/topology.ts'
import type { Mount } from '../../src/source/mounts.ts'
import type { BlockDevice } from '../../src/source/sysfs.ts'
import { readBlockDevices } from '../../src/source/sysfs.ts'
import { fixture } from '../source/fixtures.ts'

function mount(mountPoint: string, device: string): Mount {
  return { mountPoint, device, filesystem: 'ext4', source: '/dev/x', options: [] }
}

function disk(name: string, major: number, minor: number, more: Partial<BlockDevice> = {}) {
  return { name, major, minor, kind: 'disk', parents: [], ...more } satisfies BlockDevice
}

function loop(backingFile: string): BlockDevice {
  return disk('loop0', 7, 0, { kind: 'loop', backingFile })
}

const VDA = disk('vda', 254, 0)
const VDB = disk('vdb', 254, 16)

function parentsOfLoop(file: string, ...mounts: Mount[]): string[] {
  const [first] = stackDevices({ devices: [loop(file), VDA, VDB], mounts, groups: [] })
  return first?.parents ?? []
}

t.test('a loop device stands on the disk that holds its file', async (t) => {
  const root = mount('/', '254:0')
  t.strictSame(parentsOfLoop('/state/disk.img', root), ['vda'])
  t.strictSame(parentsOfLoop('/srv/disk.img', root, mount('/srv', '254:16')), ['vdb'])
  t.strictSame(parentsOfLoop('/srv2/disk.img', root, mount('/srv', '254:16')), ['vda'])
  t.strictSame(
    parentsOfLoop('/srv/disk.img', mount('/srv', '254:16'), root),
    ['vdb'],
    'in whatever order they are mounted',
  )
  t.strictSame(
    parentsOfLoop('/srv/disk.img', root, mount('/srv', '254:16'), mount('/srv', '254:0')),
    ['vda'],
    'of two on one mount point the later one hides the other',
  )
})

t.test('what stands on a loop device does not hold its file', async (t) => {
  const root = mount('/', '254:0')
  t.strictSame(
    parentsOfLoop('/live/disk.img', root, mount('/live', '7:0')),
    ['vda'],
    'mounted over it',
  )
  t.strictSame(parentsOfLoop('/live/disk.img', mount('/live', '7:0')), [])
  const partition = disk('loop0p1', 259, 0, { kind: 'partition', parents: ['loop0'] })
  const other = disk('loop1', 7, 1, { kind: 'loop', backingFile: '/part/other.img' })
  const devices = [loop('/part/x/disk.img'), partition, other, VDA]
  const mounts = [root, mount('/part', '259:0'), mount('/part/x', '7:1')]
  const stacked = stackDevices({ devices, mounts, groups: [] })
  t.strictSame(
    stacked.map(({ name, parents, leaves }) => [name, ...parents, ...leaves].join(' ')),
    ['loop0 loop1 vda', 'loop0p1 loop0 vda', 'loop1 vda vda', 'vda vda'],
    'nor does a file on what stands on it',
  )
})

t.test('a file on no disk of its own makes the loop device a leaf', async (t) => {
  for (const mounts of [[], [mount('/', '0:42')]]) {
    const [first] = stackDevices({ devices: [loop('/tmp/disk.img'), VDA], mounts, groups: [] })
    t.strictSame(first?.parents, [])
    t.equal(first?.leaf, true)
  }
})

t.test('only the bottom of a stack is a leaf', async (t) => {
  const partition = disk('vda1', 254, 1, { kind: 'partition', parents: ['vda'] })
  const mounts = [mount('/', '254:1')]
  const stacked = stackDevices({ devices: [loop('/disk.img'), partition, VDA], mounts, groups: [] })
  t.strictSame(
    stacked.map(({ name, parents, leaf }) => ({ name, parents, leaf })),
    [
      { name: 'loop0', parents: ['vda1'], leaf: false },
      { name: 'vda1', parents: ['vda'], leaf: false },
      { name: 'vda', parents: [], leaf: true },
    ],
  )
})

t.test('a recorded stack: every device ends at a leaf', async (t) => {
  const devices = await readBlockDevices(fixture('constructed-stack/sys'))
  const stacked = stackDevices({ devices, mounts: [], groups: [] })
  const byName = new Map(stacked.map((device) => [device.name, device]))
  for (const { name, parents, leaf } of stacked) {
    t.equal(leaf, parents.length === 0, name)
    for (const parent of parents) t.ok(byName.has(parent), `${name} on ${parent}`)
  }
})
