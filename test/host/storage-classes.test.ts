import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { findStorageClasses } from '../../src/host/storage-classes.ts'

/** Mounts of a constructed host: what stands where, on which device; the space is this machine's. */
async function host(
  t: Test,
  mounts: readonly [point: string, device: string, type?: string, options?: string][],
  disks: Record<string, string>,
) {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'kvmio-classes-')))
  t.teardown(() => rm(root, { recursive: true, force: true }))
  const lines = mounts.map(([point, device, type = 'ext4', options = 'rw'], index) => {
    return `${30 + index} 1 ${device} / ${join(root, point)} ${options} - ${type} none ${options}\n`
  })
  const files = { 'proc/self/mountinfo': lines.join(''), ...disks }
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    if (!path.endsWith('/')) await writeFile(join(root, path), text)
  }
  for (const [point] of mounts) await mkdir(join(root, point), { recursive: true })
  const find = async (folder: string) => {
    await mkdir(join(root, folder), { recursive: true })
    const roots = { procRoot: join(root, 'proc'), sysRoot: join(root, 'sys') }
    const found = await findStorageClasses({ ...roots, folder: join(root, folder) })
    return found.map(({ availableBytes, ...rest }) => {
      t.ok(availableBytes > 2 ** 30)
      return { ...rest, mountPoint: rest.mountPoint.slice(root.length) }
    })
  }
  return find
}

/** With numbers that no device of a real host has. */
const DISKS = {
  'sys/block/sda/dev': '908:0\n',
  'sys/block/sda/queue/rotational': '1\n',
  'sys/block/sda/sda1/dev': '908:1\n',
  'sys/block/sda/sda1/partition': '1\n',
  'sys/block/sda/sda2/dev': '908:2\n',
  'sys/block/sda/sda2/partition': '2\n',
  'sys/block/sdb/dev': '908:16\n',
  'sys/block/sdb/queue/rotational': '0\n',
  'sys/block/nvme0n1/dev': '959:0\n',
  'sys/block/nvme0c0n1/hidden': '1\n',
  'sys/block/nvme0n1/nvme0n1p1/dev': '959:1\n',
  'sys/block/nvme0n1/nvme0n1p1/partition': '1\n',
  'sys/block/dm-0/dev': '953:0\n',
  'sys/block/dm-0/dm/name': 'vg0-srv\n',
  'sys/block/dm-0/slaves/nvme0n1p1/x': '',
  'sys/block/loop0/dev': '907:0\n',
  'sys/block/loop0/loop/backing_file': '/x\n',
  'sys/block/vda/dev': '954:0\n',
  'sys/block/vda/queue/rotational': '1\n',
}

t.test('a class a disk, by what the disk is', async (t) => {
  const find = await host(
    t,
    [
      ['root', '908:1'],
      ['srv', '953:0', 'xfs'],
      ['ssd', '908:16', 'btrfs'],
      ['virtual', '954:0'],
    ],
    DISKS,
  )
  const plain = { writable: true, holdsFolder: false }
  const found = await find('ssd/here')
  t.strictSame(found[0], {
    kind: 'ssd',
    disks: ['sdb'],
    filesystem: 'btrfs',
    mountPoint: '/ssd',
    writable: true,
    holdsFolder: true,
  })
  t.strictSame(
    found.slice(1).sort((a, b) => a.mountPoint.localeCompare(b.mountPoint)),
    [
      { ...plain, kind: 'hdd', disks: ['sda'], filesystem: 'ext4', mountPoint: '/root' },
      { ...plain, kind: 'nvme', disks: ['nvme0n1'], filesystem: 'xfs', mountPoint: '/srv' },
      { ...plain, kind: 'virtual', disks: ['vda'], filesystem: 'ext4', mountPoint: '/virtual' },
    ],
  )
})

t.test('two partitions of a disk are one class: that of the folder', async (t) => {
  const mounts: [string, string][] = [
    ['a', '908:1'],
    ['b', '908:2'],
  ]
  const find = await host(t, mounts, DISKS)
  for (const name of ['a', 'b']) {
    const found = await find(`${name}/here`)
    t.strictSame(
      found.map(({ mountPoint }) => mountPoint),
      [`/${name}`],
    )
  }
})

t.test('what is no place for images', async (t) => {
  const find = await host(
    t,
    [
      ['memory', '0:5', 'tmpfs'],
      ['overlay', '0:6', 'overlay'],
      ['read-only', '908:1', 'ext4', 'ro'],
      ['boot', '908:2', 'vfat'],
      ['snap', '907:0', 'squashfs'],
      ['loop', '907:0'],
      ['unknown', '9:9'],
    ],
    DISKS,
  )
  t.strictSame(await find('memory/here'), [])
})
