import { execFileSync } from 'node:child_process'
import { open, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { FilePlaces, readHostPlaces } from '../../src/source/file-place.ts'
import { filesystemOf, readMounts } from '../../src/source/mounts.ts'
import { readOpenFiles } from '../../src/source/open-files.ts'

t.test('a file of this process', async (t) => {
  const path = join(t.testdir({ 'a.img': '' }), 'a.img')
  const file = await open(path, 'r+')
  t.teardown(() => file.close())
  const { files } = await readOpenFiles('/proc', process.pid)
  const places = await FilePlaces.read(
    { procRoot: '/proc', sysRoot: '/sys' },
    process.pid,
    await readHostPlaces('/proc'),
  )
  const place = await places.of(files.find((one) => one.path === path)!)
  const { mount } = await filesystemOf(path, await readMounts('/proc'))
  const { mountPoint, source, filesystem } = mount
  t.match(place, { kind: 'filesystem', path, mountPoint, source, filesystem })
})

async function placesIn(root: string): Promise<FilePlaces> {
  const roots = { procRoot: join(root, 'proc'), sysRoot: join(root, 'sys') }
  return await FilePlaces.read(roots, 4711, await readHostPlaces(roots.procRoot))
}

/** mountinfo of a host, and of a vm in a mount namespace of its own, as containers and libvirt have it. */
const OURS = `20 1 254:0 / / rw - ext4 /dev/vda rw
21 20 254:16 / /srv rw - xfs /dev/vdb rw
22 20 0:44 / /mnt/nas rw - nfs4 nas:/images rw
`
const THEIRS = `120 1 254:16 /images / rw - xfs /dev/vdb rw
121 120 0:44 / /nas rw - nfs4 nas:/images rw
122 120 0:99 / /scratch rw - tmpfs tmpfs rw
123 120 0:44 / /mnt/nas rw - nfs4 nas:/images rw
`

t.test('files of a process with mounts of its own', async (t) => {
  const root = t.testdir({
    proc: {
      self: { mountinfo: OURS },
      4711: { mountinfo: THEIRS },
      diskstats: `254 0 vda ${'0 '.repeat(17)}\n254 16 vdb ${'0 '.repeat(17)}\n`,
    },
  })
  const places = await placesIn(root)
  const of = (path: string, mountId: number) =>
    places.of({ fd: 3, path, mountId, writable: true, direct: true, locks: [] })
  const inTheirs = (path: string) => join(root, 'proc/4711/root', path)
  const xfs = { kind: 'filesystem', mountPoint: '/srv', source: '/dev/vdb', filesystem: 'xfs' }
  const path = inTheirs('/a.qcow2')
  t.strictSame(await of('/a.qcow2', 120), { ...xfs, path, device: 'vdb' })
  const nfs = { mountPoint: '/mnt/nas', source: 'nas:/images', filesystem: 'nfs4' }
  const onNas = { kind: 'filesystem', path: inTheirs('/nas/a.qcow2'), ...nfs }
  t.strictSame(await of('/nas/a.qcow2', 121), onNas)
  const shared = { kind: 'filesystem', path: '/mnt/nas/a.qcow2', ...nfs }
  t.strictSame(await of('/mnt/nas/a.qcow2', 123), shared, 'at the same place in both')
  t.equal(await of('/scratch/a.qcow2', 122), undefined, 'what kvmio does not see')
  t.equal(await of('/gone/a.qcow2', 999), undefined)
})

/** sysfs of a thin volume on one disk, of a striped one on two, of a multipath device and of a partition. */
const SYS = {
  dev: {
    block: {
      '253:5': {
        dm: { name: 'pve-vm--100--disk--0\n', uuid: 'LVM-abcdef\n' },
        slaves: { 'dm-3': '' },
      },
      '253:6': {
        dm: { name: 'vg1-wide\n', uuid: 'LVM-ghijkl\n' },
        slaves: { sdb: '', 'dm-9': '' },
      },
      '253:9': { dm: { name: 'mpatha\n', uuid: 'mpath-1\n' }, size: '2048\n', dev: '253:9\n' },
    },
  },
  class: {
    block: {
      'dm-3': {
        dm: { name: 'pve-data-tpool\n', uuid: 'LVM-pool-tpool\n' },
        slaves: { 'dm-1': '', 'dm-2': '' },
      },
      'dm-1': { dm: { name: 'pve-data_tmeta\n', uuid: 'LVM-meta-tmeta\n' }, slaves: { sda3: '' } },
      'dm-2': { dm: { name: 'pve-data_tdata\n', uuid: 'LVM-data-tdata\n' }, slaves: { sda3: '' } },
      'dm-9': { dm: { name: 'mpatha\n', uuid: 'mpath-1\n' } },
    },
  },
}

const noNodes = process.getuid?.() === 0 ? false : 'making device nodes needs root'

t.test('block devices', { skip: noNodes }, async (t) => {
  const zeros = '0 '.repeat(17)
  const root = t.testdir({
    proc: {
      self: { mountinfo: OURS },
      4711: { mountinfo: THEIRS, fd: {} },
      diskstats: [5, 6, 9].map((minor) => `253 ${minor} dm-${minor} ${zeros}\n`).join(''),
    },
    sys: SYS,
  })
  const places = await placesIn(root)
  const of = async (minor: number) => {
    execFileSync('mknod', [join(root, `dm-${minor}`), 'b', '253', String(minor)])
    await symlink(join(root, `dm-${minor}`), join(root, `proc/4711/fd/${minor}`))
    const path = `/dev/dm-${minor}`
    return places.of({ fd: minor, path, mountId: 1, writable: true, direct: true, locks: [] })
  }
  const volume = { kind: 'volume', group: 'pve', thinPool: 'data', path: '/dev/pve/vm-100-disk-0' }
  t.strictSame(await of(5), { ...volume, device: 'sda3' }, 'through the pool and its parts')
  const wide = { kind: 'volume', group: 'vg1', path: '/dev/vg1/wide' }
  t.strictSame(await of(6), wide, 'no one device has its transactions')
  t.strictSame(await of(9), {
    ...{ kind: 'device', path: '/dev/dm-9', device: 'dm-9', disk: 'dm-9', sizeBytes: 2 ** 20 },
  })
})
