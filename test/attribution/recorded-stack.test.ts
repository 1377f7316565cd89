import { readFile } from 'node:fs/promises'
import t from 'tap'
import { placeImage, type StorageFacts } from '../../src/attribution/images.ts'
import { stackDevices } from '../../src/attribution/topology.ts'
import { type Diskstat, parseDiskstats, readDiskstats } from '../../src/source/diskstats.ts'
import { readMounts } from '../../src/source/mounts.ts'
import { readBlockDevices, readFilesystemGroups } from '../../src/source/sysfs.ts'
import { fixture } from '../source/fixtures.ts'

const HOST = 'recorded-stack-6.1'

const [mounts, devices, groups, stats] = await Promise.all([
  readMounts(fixture(`${HOST}/proc`)),
  readBlockDevices(fixture(`${HOST}/sys`)),
  readFilesystemGroups(fixture(`${HOST}/sys`)),
  readDiskstats(fixture(`${HOST}/proc`)),
])
const FACTS: StorageFacts = { mounts, devices, groups }
const stacked = stackDevices(FACTS)
const leaves = stacked.filter(({ leaf }) => leaf).map(({ name }) => name)

t.test('what stands on what, and at the bottom', async (t) => {
  const rows = stacked.map(({ name, kind, parents, leaves }) =>
    [name, kind, parents.join('+') || '-', leaves.join('+')].join(' '),
  )
  t.strictSame(rows, [
    'nvme1c0n1 path - nvme1c0n1',
    'nvme1c1n1 path - nvme1c1n1',
    'loop0 loop nvme1n1p1 nvme1c0n1+nvme1c1n1',
    'loop1 loop vdb+vdc vdb+vdc',
    'sda disk - sda',
    'sdb disk - sdb',
    'md0 md nvme2n1p1+nvme3n1p1 nvme2n1+nvme3n1',
    'zram0 zram - zram0',
    'dm-0 crypt md0 nvme2n1+nvme3n1',
    'dm-1 lvm dm-0 nvme2n1+nvme3n1',
    'dm-2 lvm dm-0 nvme2n1+nvme3n1',
    'dm-3 lvm dm-0 nvme2n1+nvme3n1',
    'dm-4 lvm dm-0 nvme2n1+nvme3n1',
    'dm-5 lvm dm-3+dm-4 nvme2n1+nvme3n1',
    'dm-6 lvm dm-5 nvme2n1+nvme3n1',
    'dm-7 lvm dm-5 nvme2n1+nvme3n1',
    'dm-8 lvm dm-9 nvme2n1+nvme3n1',
    'dm-9 lvm dm-0 nvme2n1+nvme3n1',
    'dm-10 lvm dm-0 nvme2n1+nvme3n1',
    'dm-11 lvm dm-10+dm-9 nvme2n1+nvme3n1',
    'dm-12 multipath sda+sdb sda+sdb',
    'dm-13 partition dm-12 sda+sdb',
    'vda disk - vda',
    'vdb disk - vdb',
    'vdc disk - vdc',
    'nvme2n1 disk - nvme2n1',
    'nvme1n1 disk nvme1c0n1+nvme1c1n1 nvme1c0n1+nvme1c1n1',
    'nvme3n1 disk - nvme3n1',
    'nvme2n1p1 partition nvme2n1 nvme2n1',
    'nvme3n1p1 partition nvme3n1 nvme3n1',
    'nvme1n1p1 partition nvme1n1 nvme1c0n1+nvme1c1n1',
    'loop0p1 partition loop0 nvme1c0n1+nvme1c1n1',
  ])
})

t.test('each leaf has its line in /proc/diskstats', async (t) => {
  const known = stats.map(({ device }) => device)
  t.strictSame(
    leaves.filter((name) => !known.includes(name)),
    [],
  )
  t.strictSame(
    known.filter((name) => !stacked.some((device) => device.name === name)),
    [],
    'and no line is of a device that sysfs does not have',
  )
})

t.test('where files lie', async (t) => {
  const place = (path: string) => {
    const { mount, devices } = placeImage({ path }, FACTS)
    return [mount?.filesystem, ...devices].join(' ')
  }
  t.equal(place('/mnt/ext4/pool/disk.img'), 'ext4 nvme1n1p1')
  t.equal(place('/mnt/bind/disk.img'), 'ext4 nvme1n1p1')
  t.equal(place('/mnt/btrfs/disk.img'), 'btrfs vdb vdc')
  t.equal(place('/mnt/overlay/disk.img'), 'overlay')
  t.equal(place('/dev/vg-a/vm--1'), ' dm-2')
})

/** What 100 writes and 50 reads of 4 KiB became, as the kernel counted them at each level. */
const loads: [load: string, top: string, leafReads: number, leafWrites: number, why: string][] = [
  ['mpatha', 'dm-12', 50, 100, 'each request goes by one of two paths'],
  ['loop0p1', 'loop0p1', 50, 100, 'a partition, a loop device, ext4 and two nvme paths'],
  ['loop1', 'loop1', 50, 100, 'striped over two disks'],
  ['origin', 'dm-8', 50, 204, 'RAID 1 writes to both disks, and its superblock once to each'],
  ['lv', 'dm-1', 50, 220, 'the same, while the thin pool commits its metadata'],
  ['thin1', 'dm-7', 52, 240, 'the same, and a block of the pool zeroed for each new chunk'],
  ['snap', 'dm-11', 50, 604, 'copied on write, with the table of exceptions'],
]

for (const [load, top, leafReads, leafWrites, why] of loads) {
  t.test(`${load}: summed over leaves: ${why}`, async (t) => {
    const [before, after] = await Promise.all([readLoad(load, 'before'), readLoad(load, 'after')])
    const fresh = (name: string, key: 'readsCompleted' | 'writesCompleted') =>
      countOf(after, name, key) - countOf(before, name, key)
    t.equal(fresh(top, 'readsCompleted'), 50)
    t.equal(fresh(top, 'writesCompleted'), 100)
    t.equal(sum(leaves.map((name) => fresh(name, 'readsCompleted'))), leafReads)
    t.equal(sum(leaves.map((name) => fresh(name, 'writesCompleted'))), leafWrites)
    const all = stacked.map(({ name }) => fresh(name, 'readsCompleted'))
    t.ok(sum(all) >= 2 * leafReads, `over all devices it would be ${sum(all)} reads`)
    const under = new Set(stacked.find(({ name }) => name === top)?.leaves)
    t.strictSame(
      leaves.filter((name) => !under.has(name) && fresh(name, 'writesCompleted') > 0),
      [],
      'no leaf beside its own did anything',
    )
  })
}

t.test('nvme-head: the paths have what their namespace does not count', async (t) => {
  const [before, after] = await Promise.all([
    readLoad('nvme-head', 'before'),
    readLoad('nvme-head', 'after'),
  ])
  const writes = (name: string) =>
    countOf(after, name, 'writesCompleted') - countOf(before, name, 'writesCompleted')
  t.equal(writes('nvme1n1'), 0)
  t.equal(sum(leaves.map(writes)), 100)
})

async function readLoad(load: string, when: string): Promise<Diskstat[]> {
  return parseDiskstats(await readFile(fixture(`${HOST}/load/${load}.${when}`), 'utf8'))
}

function countOf(
  stats: readonly Diskstat[],
  name: string,
  key: 'readsCompleted' | 'writesCompleted',
): number {
  return stats.find(({ device }) => device === name)?.[key] ?? Number.NaN
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
