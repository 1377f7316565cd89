import { ok } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { drivesOf, isImage } from '../../src/attribution/foreign-drives.ts'
import type { OpenFile } from '../../src/source/open-files.ts'
import { parseQemuCommandLine } from '../../src/source/qemu-command-line.ts'

const LOCKS: OpenFile['locks'] = [
  [100, 101],
  [201, 201],
]

function file(path: string, more: Partial<OpenFile> = {}): OpenFile {
  return { fd: 9, path, writable: true, direct: true, mountId: 27, locks: LOCKS, ...more }
}

const BASE = { writable: false, direct: false }

function drivesIn(args: readonly string[], files: readonly OpenFile[], links = {}) {
  const line = parseQemuCommandLine(['qemu-system-x86_64', ...args])
  const drives = drivesOf(line, files, (path) => (links as Record<string, string>)[path] ?? path)
  return drives.map(({ file, ...drive }) => ({ ...drive, path: file.path }))
}

const node = (options: object) => ['-blockdev', JSON.stringify(options)]
const device = (options: object) => ['-device', JSON.stringify(options)]
const COLD = { direct: true, 'no-flush': false }

/** One image as libvirt has it, since 8.0 in JSON throughout (src/qemu/qemu_block.c). */
function libvirt(index: number, filename: string, format: object, driver = 'file'): string[] {
  return [
    ...node({ driver, filename, 'node-name': `libvirt-${index}-storage`, discard: 'unmap' }),
    ...node({
      ...{ 'node-name': `libvirt-${index}-format`, file: `libvirt-${index}-storage` },
      ...format,
    }),
  ]
}

t.test('libvirt: a chain of images, a cdrom, firmware', async (t) => {
  const args = [
    ...['-machine', 'q35,pflash0=libvirt-pflash0-format,pflash1=libvirt-pflash1-format'],
    ...node({ driver: 'file', filename: '/vars.fd', 'node-name': 'libvirt-pflash1-storage' }),
    ...node({
      'node-name': 'libvirt-pflash1-format',
      driver: 'raw',
      file: 'libvirt-pflash1-storage',
    }),
    ...libvirt(4, '/base.qcow2', { driver: 'qcow2', 'read-only': true, backing: null }),
    ...libvirt(3, '/middle.qcow2', { driver: 'qcow2', backing: 'libvirt-4-format' }),
    ...libvirt(2, '/top.qcow2', { driver: 'qcow2', backing: 'libvirt-3-format', cache: COLD }),
    ...device({
      ...{ driver: 'virtio-blk-pci', drive: 'libvirt-2-format', id: 'virtio-disk0' },
      ...{ 'num-queues': 2, iothread: 'iothread1', 'write-cache': 'on' },
    }),
    ...libvirt(1, '/setup.iso', { driver: 'raw', 'read-only': true }),
    ...device({ driver: 'ide-cd', bus: 'ide.0', drive: 'libvirt-1-format', id: 'sata0-0-0' }),
  ]
  const files = [
    ...[file('/vars.fd'), file('/base.qcow2', BASE), file('/middle.qcow2'), file('/top.qcow2')],
    ...[file('/setup.iso'), file('/var/log/libvirt/qemu/web.log', { locks: [] })],
  ]
  t.strictSame(drivesIn(args, files), [
    {
      ...{ name: 'virtio-disk0', id: 'virtio-disk0', path: '/top.qcow2', bus: 'virtio-blk' },
      ...{ format: 'qcow2', backing: 2, cache: 'none', direct: true, aio: '', discard: 'unmap' },
      ...{ detectZeroes: '', preallocation: '', iothread: true, queues: 2 },
    },
  ])
})

t.test('cache modes, by what is open and what the device says', async (t) => {
  const cacheOf = (direct: boolean, noFlush: boolean, write: string) =>
    drivesIn(
      [
        ...libvirt(1, '/a', { driver: 'raw', cache: { direct, 'no-flush': noFlush } }),
        ...device({ driver: 'ide-hd', drive: 'libvirt-1-format', id: 'a', 'write-cache': write }),
      ],
      [file('/a', { direct })],
    )[0]?.cache
  t.equal(cacheOf(true, false, 'on'), 'none')
  t.equal(cacheOf(true, false, 'off'), 'directsync')
  t.equal(cacheOf(false, false, 'on'), 'writeback')
  t.equal(cacheOf(false, false, 'off'), 'writethrough')
  t.equal(cacheOf(false, true, 'on'), 'unsafe')
})

t.test('Proxmox since 9: nodes inside of a throttle', async (t) => {
  // As PVE::QemuServer::Blockdev makes it: src/test/cfg2cmd/simple-lvm.conf.cmd of qemu-server.
  const args = [
    ...['-id', '100', '-name', 'vm1', '-machine', 'type=pc+pve0'],
    ...['-device', 'virtio-scsi-pci,id=scsihw0,bus=pci.0,addr=0x5'],
    ...node({
      ...{
        driver: 'throttle',
        'node-name': 'drive-scsi0',
        'throttle-group': 'throttle-drive-scsi0',
      },
      file: {
        ...{ driver: 'raw', 'node-name': 'f01', 'detect-zeroes': 'unmap', cache: COLD },
        file: {
          ...{ driver: 'host_device', filename: '/dev/pve/vm-100-disk-0', 'node-name': 'e01' },
          ...{ aio: 'native', cache: COLD, discard: 'unmap', 'read-only': false },
        },
      },
    }),
    ...['-device', 'scsi-hd,bus=scsihw0.0,lun=0,drive=drive-scsi0,id=scsi0,write-cache=on'],
  ]
  const links = { '/dev/pve/vm-100-disk-0': '/dev/dm-6' }
  t.match(drivesIn(args, [file('/dev/dm-6', { locks: [] })], links), [
    {
      ...{ name: 'scsi0', id: 'scsi0', path: '/dev/dm-6', bus: 'virtio-scsi', format: 'raw' },
      ...{ aio: 'native', discard: 'unmap', detectZeroes: 'unmap', cache: 'none', backing: 0 },
    },
  ])
})

t.test('Proxmox before 9: drives', async (t) => {
  const args = [
    ...['-drive', 'if=pflash,unit=1,id=drive-efidisk0,format=raw,file=/efi.raw'],
    ...['-drive', 'file=/a,if=none,id=drive-ide2,media=cdrom,aio=io_uring'],
    ...['-device', 'ide-cd,bus=ide.1,unit=0,drive=drive-ide2,id=ide2'],
    ...['-device', 'ahci,id=ahci0,multifunction=on,bus=pci.0,addr=0x7'],
    ...['-drive', 'file=/b,if=none,id=drive-sata0,format=qcow2,cache=writethrough'],
    ...['-device', 'ide-hd,bus=ahci0.0,drive=drive-sata0,id=sata0'],
    ...['-drive', 'file=/c,if=none,id=drive-virtio1,format=raw,cache=none,discard=on'],
    ...['-device', 'virtio-blk-pci,drive=drive-virtio1,id=virtio1,bus=pci.0,addr=0xb'],
  ]
  const files = ['/efi.raw', '/a', '/b', '/c'].map((path) => file(path))
  t.match(drivesIn(args, files), [
    { name: 'sata0', bus: 'sata', format: 'qcow2', cache: 'writethrough', iothread: false },
    { name: 'virtio1', bus: 'virtio-blk', format: 'raw', cache: 'none', discard: 'on' },
  ])
  t.equal(drivesIn(args, files).length, 2, 'neither firmware nor a cdrom')
})

t.test('buses by the words of the config', async (t) => {
  for (const [bus, ...args] of [
    ['ide', '-drive', 'file=/a'],
    ['sata', '-machine', 'q35', '-hda', '/a'],
    ['virtio-blk', '-drive', 'file=/a,if=virtio'],
    [
      'pvscsi',
      '-device',
      'pvscsi,id=s',
      '-drive',
      'file=/a,if=none,id=a',
      '-device',
      'scsi-hd,drive=a',
    ],
    [
      'scsi',
      '-device',
      'lsi53c895a',
      '-drive',
      'file=/a,if=none,id=a',
      '-device',
      'scsi-hd,drive=a',
    ],
    ['scsi', '-drive', 'file=/a,if=scsi'],
    ['nvme', '-drive', 'file=/a,if=none,id=a', '-device', 'nvme,drive=a,serial=1'],
    ['nvme', '-drive', 'file=/a,if=none,id=a', '-device', 'nvme-ns,drive=a'],
    ['usb-storage', '-drive', 'file=/a,if=none,id=a', '-device', 'usb-storage,drive=a'],
    ['', '-drive', 'file=/a,if=none,id=a'],
  ] as const) {
    t.equal(drivesIn(args, [file('/a')])[0]?.bus, bus, args.join(' '))
  }
})

t.test('what was plugged in later, and what is none', async (t) => {
  const args = ['-blockdev', '{"driver":"qcow2","node-name":"t","backing":"b","file":"s"}']
  args.push('-blockdev', '{"driver":"raw","node-name":"b","file":"u"}')
  args.push('-blockdev', '{"driver":"file","node-name":"u","filename":"/committed"}')
  const files = [
    file('/images/later.qcow2', { direct: false }),
    file('/other/later.qcow2'),
    file('/images/later.qcow2', { fd: 10 }),
    file('/images/backing.qcow2', BASE),
    file('/committed'),
    file('/run/qemu.pid', { locks: [[0, Number.POSITIVE_INFINITY]] }),
    file('/var/log/qemu.log', { locks: [] }),
  ]
  t.strictSame(
    drivesIn(args, files).map(({ name, path, direct, id }) => [name, path, direct, id]),
    [
      ['later.qcow2', '/images/later.qcow2', false, ''],
      ['later.qcow2-2', '/other/later.qcow2', true, ''],
    ],
  )
})

t.test("qemu's locks", async (t) => {
  const isOne = (first: number, last: number) => isImage({ locks: [[first, last]] })
  for (const [first, last] of [
    [100, 100],
    [100, 103],
    [203, 203],
  ] as const)
    t.ok(isOne(first, last), `${first} to ${last}`)
  for (const [first, last] of [
    [0, 0],
    [99, 100],
    [0, Number.POSITIVE_INFINITY],
    [300, 300],
  ] as const)
    t.notOk(isOne(first, last), `${first} to ${last}`)
})

t.test('each name once, and a drive for each image at the most', async () => {
  const path = fc.constantFrom('/a', '/b', '/c/a', '/d')
  const open = fc.record({ path, writable: fc.boolean(), locks: fc.constantFrom(LOCKS, []) })
  const args = fc.array(
    fc.constantFrom(
      ...['-drive', 'file=/a', 'file=/b,if=none,id=a', '-device', 'ide-hd,drive=a,id=a', '-hdb'],
      ...['/d', '-blockdev', '{"driver":"file","filename":"/c/a","node-name":"a"}', '-cdrom'],
      ...['{"driver":"qcow2","node-name":"b","file":"b","backing":"b"}', 'ide-hd,drive=b'],
    ),
    { maxLength: 12 },
  )
  fc.assert(
    fc.property(args, fc.array(open, { maxLength: 6 }), (args, opened) => {
      const files = opened.map((one) => file(one.path, one))
      const drives = drivesIn(args, files)
      ok(new Set(drives.map(({ name }) => name)).size === drives.length)
      ok(new Set(drives.map(({ path }) => path)).size === drives.length)
      for (const { path } of drives) ok(opened.some((one) => one.path === path && one.writable))
    }),
  )
})
