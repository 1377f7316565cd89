import { ok } from 'node:assert/strict'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { stackDevices } from '../../src/attribution/topology.ts'
import { readDiskstats } from '../../src/source/diskstats.ts'
import {
  type BlockDevice,
  readBlockDevices,
  readFilesystemGroups,
  readRotational,
} from '../../src/source/sysfs.ts'
import { fixture } from './fixtures.ts'

t.test('reads a recorded host', async (t) => {
  t.strictSame(await readBlockDevices(fixture('pvm-debian12/sys')), [
    { name: 'loop0', major: 7, minor: 0, kind: 'loop', parents: [] },
    { name: 'zram0', major: 253, minor: 0, kind: 'zram', parents: [] },
    { name: 'vda', major: 254, minor: 0, kind: 'disk', parents: [] },
  ] satisfies BlockDevice[])
})

t.test('reads a stack of devices', async (t) => {
  const devices = await readBlockDevices(fixture('constructed-stack/sys'))
  t.strictSame(devices, [
    { name: 'nvme0c0n1', kind: 'path', parents: [] },
    { name: 'ram0', major: 1, minor: 0, kind: 'ram', parents: [] },
    { name: 'fd0', major: 2, minor: 0, kind: 'floppy', parents: [] },
    {
      name: 'loop0',
      major: 7,
      minor: 0,
      kind: 'loop',
      parents: [],
      backingFile: '/var/lib/kvmio/tiers/a tier/disk.img ',
    },
    { name: 'loop1', major: 7, minor: 1, kind: 'loop', parents: [] },
    { name: 'sda', major: 8, minor: 0, kind: 'disk', parents: [] },
    { name: 'sda1', major: 8, minor: 1, kind: 'partition', parents: ['sda'] },
    { name: 'sda2', major: 8, minor: 2, kind: 'partition', parents: ['sda'] },
    { name: 'sdb', major: 8, minor: 16, kind: 'disk', parents: [] },
    {
      name: 'md127',
      major: 9,
      minor: 127,
      kind: 'md',
      level: 'raid1',
      parents: ['sda2', 'sdb'],
    },
    { name: 'sr0', major: 11, minor: 0, kind: 'optical', parents: [] },
    { name: 'nbd0', major: 43, minor: 0, kind: 'nbd', parents: [] },
    { name: 'cciss/c0d0', major: 104, minor: 0, kind: 'disk', parents: [] },
    {
      name: 'cciss/c0d0p1',
      major: 104,
      minor: 1,
      kind: 'partition',
      parents: ['cciss/c0d0'],
    },
    { name: 'zram0', major: 252, minor: 0, kind: 'zram', parents: [] },
    {
      name: 'dm-0',
      major: 253,
      minor: 0,
      kind: 'dm',
      label: 'vg0-images',
      parents: ['md127'],
    },
    { name: 'nvme0n1', major: 259, minor: 0, kind: 'disk', parents: ['nvme0c0n1'] },
    {
      name: 'nvme0n1p1',
      major: 259,
      minor: 1,
      kind: 'partition',
      parents: ['nvme0n1'],
    },
  ] satisfies BlockDevice[])
})

t.test('reads what a device mapper and md say of themselves', async (t) => {
  const devices = await readBlockDevices(fixture('recorded-stack-6.1/sys'))
  const rows = devices.flatMap(({ name, kind, label, level, volume }) => {
    const { group = '', name: lv = '', layer = '' } = volume ?? {}
    return label === undefined && level === undefined
      ? []
      : [`${name} ${kind} ${[label, group, lv, layer, level].filter(Boolean).join(' ')}`]
  })
  t.strictSame(rows, [
    'md0 md raid1',
    'dm-0 crypt crypt-0',
    'dm-1 lvm vg--a-lv vg-a lv',
    'dm-2 lvm vg--a-vm----1 vg-a vm--1',
    'dm-3 lvm vg--a-pool0_tmeta vg-a pool0_tmeta',
    'dm-4 lvm vg--a-pool0_tdata vg-a pool0_tdata',
    'dm-5 lvm vg--a-pool0-tpool vg-a pool0 tpool',
    'dm-6 lvm vg--a-pool0 vg-a pool0',
    'dm-7 lvm vg--a-thin1 vg-a thin1',
    'dm-8 lvm vg--a-origin vg-a origin',
    'dm-9 lvm vg--a-origin-real vg-a origin real',
    'dm-10 lvm vg--a-snap-cow vg-a snap cow',
    'dm-11 lvm vg--a-snap vg-a snap',
    'dm-12 multipath mpatha',
    'dm-13 partition mpatha-part1',
  ])
})

t.test('reads which devices a btrfs has', async (t) => {
  t.strictSame(await readFilesystemGroups(fixture('recorded-stack-6.1/sys')), [['vdb', 'vdc']])
  t.strictSame(await readFilesystemGroups(fixture('constructed-stack/sys')), [])
})

t.test('whether a disk turns', async (t) => {
  const root = fixture('constructed-stack/sys')
  t.equal(await readRotational(root, 'sda'), true)
  t.equal(await readRotational(root, 'nvme0n1'), false)
  t.equal(await readRotational(root, 'cciss/c0d0'), true)
  t.equal(await readRotational(root, 'sda1'), undefined, 'a partition does not say')
})

t.test('on this host it has what /proc/diskstats has', async (t) => {
  const before = await readDiskstats('/proc')
  const devices = await readBlockDevices('/sys')
  const names = new Set((await readDiskstats('/proc')).map(({ device }) => device))
  for (const { device, major, minor } of before) {
    if (!names.has(device)) continue // it went away meanwhile
    t.match(
      devices.find(({ name }) => name === device),
      { major, minor },
      device,
    )
  }
})

t.test('an attribute that cannot be read costs only itself', async (t) => {
  const root = t.testdir({
    block: {
      sda: { dev: '8:0\n', queue: { rotational: {} }, sda1: { dev: 'x', partition: '1\n' } },
      sdb: { dev: '8:16\n', queue: { rotational: '0\n' }, slaves: 'no directory' },
      'dm-0': { dev: '253:0\n', dm: {} },
      gone: {},
    },
  })
  await symlink('nowhere', join(root, 'block/sdc'))
  t.strictSame(await readBlockDevices(root), [
    { name: 'sda', major: 8, minor: 0, kind: 'disk', parents: [] },
    { name: 'sdb', major: 8, minor: 16, kind: 'disk', parents: [] },
    { name: 'dm-0', major: 253, minor: 0, kind: 'dm', parents: [] },
  ] satisfies BlockDevice[])
})

t.test('kinds that only a name tells', async (t) => {
  const names = ['bcache0', 'zd16', 'nbd3', 'drbd0', 'rbd1', 'dasda', 'mmcblk0']
  const entries = names.map((name, minor) => [name, { dev: `240:${minor}\n` }])
  const devices = await readBlockDevices(t.testdir({ block: Object.fromEntries(entries) }))
  t.strictSame(
    devices.map(({ kind }) => kind),
    ['bcache', 'zvol', 'nbd', 'disk', 'disk', 'disk', 'disk'],
  )
})

t.test('whatever the attributes say, there is an answer', async (t) => {
  const root = t.testdir({})
  const text = fc.oneof(fc.string(), fc.constantFrom('254:0\n', '1\n', 'LVM-x\n', 'a-b\n', '\n'))
  const disk = fc.record(
    {
      ...{ dev: text, hidden: text, 'dm/name': text, 'dm/uuid': text, 'md/level': text },
      ...{
        'loop/backing_file': text,
        'queue/rotational': text,
        'p/partition': text,
        'p/dev': text,
      },
      'slaves/sdz': text,
    },
    { requiredKeys: [] },
  )
  const name = fc.constantFrom('sda', 'dm-0', 'loop0', 'md0', 'nvme0n1', 'nvme0c0n1', 'a!b')
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.dictionary(name, disk, { maxKeys: 5 }), async (disks) => {
      const sys = join(root, String(run++))
      await mkdir(join(sys, 'block'), { recursive: true })
      for (const [disk, attributes] of Object.entries(disks)) {
        for (const [path, text] of Object.entries(attributes)) {
          const file = join(sys, 'block', disk, path.replace(/^p\//, `${disk}p1/`))
          await mkdir(dirname(file), { recursive: true })
          await writeFile(file, text!)
        }
      }
      const devices = await readBlockDevices(sys)
      const stacked = stackDevices({ devices, mounts: [], groups: await readFilesystemGroups(sys) })
      ok(stacked.every(({ leaves }) => leaves.length > 0))
    }),
    { numRuns: 60 },
  )
})

t.test('without /sys/block there is no answer', async (t) => {
  const root = t.testdir({})
  await t.rejects(readBlockDevices(root), { code: 'ENOENT' })
})
