import t from 'tap'
import { tierOf } from '../../src/attribution/image-tier.ts'
import type { Tier } from '../../src/attribution/records.ts'
import type { FilePlace } from '../../src/source/file-place.ts'

const ON_VDA: FilePlace = {
  ...{ kind: 'filesystem', path: '/a', mountPoint: '/', source: '/dev/vda', filesystem: 'ext4' },
  device: 'vda',
}
const ON_NFS: FilePlace = {
  ...{
    kind: 'filesystem',
    path: '/mnt/pve/nas/a',
    mountPoint: '/mnt/pve/nas',
    source: 'nas:/images',
    filesystem: 'nfs4',
  },
}
const VOLUME: FilePlace = {
  ...{ kind: 'volume', group: 'pve', path: '/dev/pve/vm-100-disk-0', device: 'sda3' },
}
const THIN: FilePlace = { ...VOLUME, thinPool: 'data' }
const DISK: FilePlace = {
  ...{ kind: 'device', path: '/dev/sdb1', device: 'sdb1', disk: 'sdb', sizeBytes: 4096 },
}

const TIERS: Tier[] = [
  { name: 'root', kind: 'directory', directory: '/srv/kvmio', device: 'vda' },
  { name: 'images', kind: 'directory', directory: '/srv/images', device: 'vda' },
  { name: 'inner', kind: 'directory', directory: '/srv/images/fast/', device: 'nvme0n1p1' },
  {
    name: 'nas',
    kind: 'directory',
    directory: '/mnt/pve/nas/kvmio',
    mount: { point: '/mnt/pve/nas', source: 'nas:/images' },
  },
  {
    name: 'thin',
    kind: 'volumeGroup',
    volumeGroup: { name: 'pve', thinPool: 'data' },
    device: 'sda3',
  },
  { name: 'pve', kind: 'volumeGroup', volumeGroup: { name: 'pve' }, device: 'sda3' },
  { name: 'disk', kind: 'device', target: '/dev/sdb', device: 'sdb' },
  { name: 'net', kind: 'url', target: 'nbd://host/{vm}' },
]

t.test('a tier of the config', async (t) => {
  const without = (...names: string[]) => TIERS.filter(({ name }) => !names.includes(name))
  for (const [expected, path, place, tiers] of [
    ['images', '/srv/images/a.qcow2', ON_VDA, TIERS],
    ['inner', '/srv/images/fast/a.qcow2', { ...ON_VDA, device: 'nvme0n1p1' }, TIERS],
    ['root', '/srv/images2/a.qcow2', ON_VDA, TIERS],
    ['nas', '/mnt/pve/nas/images/100/a.raw', ON_NFS, TIERS],
    ['pve', '/dev/dm-6', VOLUME, TIERS],
    ['pve', '/dev/dm-6', THIN, without('thin')],
    ['thin', '/dev/dm-6', THIN, TIERS],
    ['/dev/pve', '/dev/dm-6', VOLUME, without('pve')],
    ['disk', '/dev/sdb1', DISK, TIERS],
  ] as const) {
    const tier = tierOf({ path, place }, tiers)
    const found = expected.startsWith('/') ? true : undefined
    t.strictSame([tier.name, tier.found], [expected, found], `${path} on ${place.kind}`)
  }
})

t.test('a tier that is found', async (t) => {
  t.strictSame(tierOf({ path: '/a', place: ON_VDA }, []), {
    ...{ name: '/', kind: 'directory', found: true, directory: '/', filesystem: 'ext4' },
    device: 'vda',
  })
  t.strictSame(tierOf({ path: '/mnt/pve/nas/a', place: ON_NFS }, TIERS.slice(0, 3)), {
    ...{ name: '/mnt/pve/nas', kind: 'directory', found: true, directory: '/mnt/pve/nas' },
    ...{ filesystem: 'nfs4', mount: { point: '/mnt/pve/nas', source: 'nas:/images' } },
  })
  const { device: _, ...several } = VOLUME
  t.strictSame(tierOf({ path: '/dev/dm-6', place: several }, TIERS.slice(0, 4)), {
    ...{ name: '/dev/pve', kind: 'volumeGroup', found: true, target: 'pve' },
    volumeGroup: { name: 'pve' },
  })
  t.match(tierOf({ path: '/dev/dm-6', place: THIN }, []), {
    ...{ name: '/dev/pve/data', target: 'pve/data', device: 'sda3' },
    volumeGroup: { name: 'pve', thinPool: 'data' },
  })
  t.strictSame(tierOf({ path: '/dev/sdb1', place: DISK }, TIERS.slice(0, 6)), {
    ...{ name: '/dev/sdb1', kind: 'device', found: true, target: '/dev/sdb1', sizeBytes: 4096 },
    device: 'sdb1',
  })
})
