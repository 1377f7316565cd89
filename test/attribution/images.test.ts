import t from 'tap'
import { type ImagePlace, placeImage, type StorageFacts } from '../../src/attribution/images.ts'
import type { ImageFile } from '../../src/source/image-file.ts'
import { type Mount, parseMounts } from '../../src/source/mounts.ts'
import type { BlockDevice } from '../../src/source/sysfs.ts'

const MOUNTS = parseMounts(`
22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 253:1 / /var/lib/libvirt/images rw - xfs /dev/mapper/vg0-images rw
31 22 8:1 /srv/pool /mnt/bind rw - ext4 /dev/sda1 rw
32 22 0:41 /@images /srv/btrfs rw - btrfs /dev/sdb1 rw,subvol=/@images
33 22 0:44 / /srv/raid rw - btrfs /dev/sdd rw
34 22 0:50 / /run rw - tmpfs tmpfs rw
35 22 0:51 / /var/lib/docker/merged rw - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w
36 22 0:52 / /mnt/nfs rw - nfs4 filer:/export rw
37 22 8:1 / /srv/over rw - ext4 /dev/sda1 rw
38 37 253:1 / /srv/over rw - xfs /dev/mapper/vg0-images rw
`)

function device(name: string, number: string, more: Partial<BlockDevice> = {}): BlockDevice {
  const [major, minor] = number.split(':').map(Number) as [number, number]
  return { name, major, minor, kind: 'disk', parents: [], ...more }
}

const DEVICES = [
  device('sda', '8:0'),
  device('sda1', '8:1', { kind: 'partition', parents: ['sda'] }),
  device('sdb1', '8:17', { kind: 'partition' }),
  device('sdc', '8:32'),
  device('sdd', '8:48'),
  device('cciss/c0d0', '104:0'),
  device('dm-1', '253:1', { kind: 'dm', label: 'vg0-images' }),
  device('dm-2', '253:2', { kind: 'dm', label: 'vg--a-lv' }),
]
const FACTS: StorageFacts = { mounts: MOUNTS, devices: DEVICES, groups: [['sdc', 'sdd']] }

function placed(image: ImageFile, facts = FACTS): [at: string | undefined, ...under: string[]] {
  const { mount, devices }: ImagePlace = placeImage(image, facts)
  return [mount && `${mount.mountPoint} ${mount.filesystem}`, ...devices]
}

const IMAGES = '/var/lib/libvirt/images xfs'

t.test('by its path', async (t) => {
  const cases: [what: string, path: string, place: [string | undefined, ...string[]]][] = [
    ['a file on the root', '/home/vm.qcow2', ['/ ext4', 'sda1']],
    ['the longest mount point', '/var/lib/libvirt/images/vm.img', [IMAGES, 'dm-1']],
    ['only a prefix of a name', '/var/lib/libvirt/images2/vm.img', ['/ ext4', 'sda1']],
    ['a bind mount', '/mnt/bind/vm.img', ['/mnt/bind ext4', 'sda1']],
    ['a subvolume of btrfs', '/srv/btrfs/vm.img', ['/srv/btrfs btrfs', 'sdb1']],
    ['a btrfs of two devices', '/srv/raid/vm.img', ['/srv/raid btrfs', 'sdc', 'sdd']],
    ['tmpfs', '/run/vm.img', ['/run tmpfs']],
    ['overlay', '/var/lib/docker/merged/vm.img', ['/var/lib/docker/merged overlay']],
    ['NFS', '/mnt/nfs/vm.img', ['/mnt/nfs nfs4']],
    ['the later of two mounts', '/srv/over/vm.img', ['/srv/over xfs', 'dm-1']],
    ['a disk', '/dev/sda', [undefined, 'sda']],
    ['a disk whose name has a slash', '/dev/cciss/c0d0', [undefined, 'cciss/c0d0']],
    ['a logical volume', '/dev/vg-a/lv', [undefined, 'dm-2']],
    ['the same by its mapper name', '/dev/mapper/vg--a-lv', [undefined, 'dm-2']],
  ]
  for (const [what, path, place] of cases) t.strictSame(placed({ path }), place, what)
})

t.test('by what stat() says, also from another mount namespace', async (t) => {
  t.strictSame(placed({ path: '/var/run/kubevirt/disk.img', filesystem: '253:1' }), [
    '/srv/over xfs',
    'dm-1',
  ])
  t.strictSame(placed({ path: '/srv/btrfs/vm.img', filesystem: '0:77' }), [
    '/srv/btrfs btrfs',
    'sdb1',
  ])
  t.strictSame(placed({ path: '/dev/disk/by-id/x', blockDevice: '8:0' }), [undefined, 'sda'])
  t.strictSame(placed({ path: '/dev/sda', blockDevice: '8:99' }), [undefined], 'gone meanwhile')
  const noMounts = { ...FACTS, mounts: [] as Mount[] }
  t.strictSame(placed({ path: '/disk.img', filesystem: '8:1' }, noMounts), [undefined, 'sda1'])
  t.strictSame(placed({ path: '/disk.img' }, noMounts), [undefined])
})
