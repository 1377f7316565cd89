import fc from 'fast-check'
import t from 'tap'
import { parseQemuCommandLine } from '../../src/source/qemu-command-line.ts'

const parse = (...args: string[]) => parseQemuCommandLine(['/usr/bin/qemu-system-x86_64', ...args])

t.test('who and how large it is', async (t) => {
  for (const [args, expected] of [
    [
      ['-name', 'guest=web,debug-threads=on', '-uuid', 'c7a5fdbd'],
      { name: 'web', uuid: 'c7a5fdbd' },
    ],
    [['-id', '100', '-name', 'vm1,debug-threads=on'], { id: '100', name: 'vm1' }],
    [['--name', 'with,,comma'], { name: 'with,comma' }],
    [['-m', '512'], { memoryBytes: 512 * 2 ** 20 }],
    [['-m', 'size=1048576k,slots=4,maxmem=4G'], { memoryBytes: 2 ** 30 }],
    [['-accel', 'kvm'], { accelerator: 'kvm' }],
    [['-accel', 'tcg,thread=multi', '-accel', 'kvm'], { accelerator: 'tcg' }],
    [['-machine', 'pc-q35-9.2,accel=kvm:tcg'], { accelerator: 'kvm', machine: 'pc-q35-9.2' }],
    [['-M', 'type=pc+pve0'], { machine: 'pc+pve0' }],
    [['-enable-kvm'], { accelerator: 'kvm' }],
    [
      ['-machine', 'q35,pflash0=libvirt-pflash0-format,pflash1=libvirt-pflash1-format'],
      { machine: 'q35', firmware: ['libvirt-pflash0-format', 'libvirt-pflash1-format'] },
    ],
    [['-name'], {}],
    [['-m', 'a lot', '-name', '', '-machine', '{'], {}],
  ] as const) {
    const { nodes, drives, devices, firmware, ...rest } = parse(...args)
    t.strictSame([nodes, drives, devices], [[], [], []])
    t.strictSame(
      { ...(firmware.length > 0 ? { firmware } : {}), ...rest },
      expected,
      args.join(' '),
    )
  }
})

t.test('block nodes, in JSON and not', async (t) => {
  const { nodes } = parse(
    ...[
      '-blockdev',
      '{"driver":"file","filename":"/a","node-name":"s","auto-read-only":true,"discard":"unmap"}',
    ],
    ...[
      '-blockdev',
      '{"node-name":"f","read-only":false,"driver":"qcow2","file":"s","backing":null}',
    ],
    ...[
      '-blockdev',
      'driver=raw,node-name=g,file.driver=host_device,file.filename=/dev/a,,b,file.aio=native',
    ],
    ...[
      '-blockdev',
      '{"driver":"qcow2","node-name":"h","file":"f","cache":{"direct":true,"no-flush":false}}',
    ],
    ...['-blockdev', 'not', '-blockdev', '[]', '-blockdev', '{'],
  )
  const inner = { driver: 'host_device', filename: '/dev/a,b', aio: 'native' }
  t.strictSame(nodes, [
    { driver: 'file', name: 's', filename: '/a', discard: 'unmap' },
    { driver: 'qcow2', name: 'f', file: 's', backing: null, readOnly: false },
    inner,
    { driver: 'raw', name: 'g', file: inner },
    { driver: 'qcow2', name: 'h', file: 'f', direct: true, noFlush: false },
    { driver: 'not' },
    { driver: '[]' },
  ])
})

t.test('drives in the older manner, with the ids that qemu gives them', async (t) => {
  const drives = (...args: string[]) =>
    parse(...args).drives.map(({ id, interface: kind, filename }) => [id, kind, filename])
  t.strictSame(drives('-drive', 'file=/a,,b,if=none,id=drive-scsi0,cache=none,aio=native'), [
    ['drive-scsi0', 'none', '/a,b'],
  ])
  t.strictSame(drives('-hda', 'a,,b.img', '-cdrom', 'c.iso', '-hdd', 'd'), [
    ['ide0-hd0', 'ide', 'a,,b.img'],
    ['ide1-cd0', 'ide', 'c.iso'],
    ['ide1-hd1', 'ide', 'd'],
  ])
  t.strictSame(drives('-drive', '/a', '-drive', 'file=/b,media=cdrom', '-drive', 'file=/c'), [
    ['ide0-hd0', 'ide', '/a'],
    ['ide0-cd1', 'ide', '/b'],
    ['ide1-hd0', 'ide', '/c'],
  ])
  t.strictSame(drives('-machine', 'q35', '-hda', '/a', '-hdb', '/b'), [
    ['ide0-hd0', 'ide', '/a'],
    ['ide1-hd0', 'ide', '/b'],
  ])
  t.strictSame(drives('-drive', 'file=/a,if=virtio', '-drive', 'file=/b,if=virtio'), [
    ['virtio0', 'virtio', '/a'],
    ['virtio1', 'virtio', '/b'],
  ])
  t.strictSame(drives('-M', 'virt', '-drive', 'file=/a'), [['virtio0', 'virtio', '/a']])
  t.strictSame(drives('-nographic', '/image.raw'), [], 'what follows an option may be its value')
  t.strictSame(drives('-m', '64', '/image.raw'), [['ide0-hd0', 'ide', '/image.raw']])
  t.strictSame(
    drives(
      '-drive',
      'file=json:{"driver":"qcow2","file":{"driver":"file","filename":"/j"}}'.replaceAll(',', ',,'),
    ),
    [['ide0-hd0', 'ide', '/j']],
  )
  t.strictSame(drives('-drive', 'file.driver=nbd,file.host=x,if=virtio'), [
    ['virtio0', 'virtio', undefined],
  ])
  const [drive] = parse(
    '-drive',
    'file=/a,format=raw,cache=none,aio=native,detect-zeroes=on,readonly=on',
  ).drives
  t.match(drive, {
    format: 'raw',
    cache: 'none',
    aio: 'native',
    detectZeroes: 'on',
    readOnly: true,
  })
})

t.test('devices', async (t) => {
  const { devices } = parse(
    ...[
      '-device',
      '{"driver":"virtio-blk-pci","drive":"f","id":"virtio-disk0","num-queues":4,"write-cache":"off","iothread":"io1"}',
    ],
    ...['-device', 'scsi-hd,bus=scsihw0.0,drive=drive-scsi0,id=scsi0,write-cache=on'],
    ...['-device', 'virtio-scsi-pci,id=scsihw0', '-device', '{"id":"no driver"}', '-device', '{'],
  )
  t.strictSame(devices, [
    {
      ...{ driver: 'virtio-blk-pci', id: 'virtio-disk0', drive: 'f', iothread: 'io1' },
      ...{ queues: 4, writeCache: false },
    },
    { driver: 'scsi-hd', id: 'scsi0', drive: 'drive-scsi0', bus: 'scsihw0.0', writeCache: true },
    { driver: 'virtio-scsi-pci', id: 'scsihw0' },
  ])
})

t.test('no command line makes it throw', async (t) => {
  const words = [
    ...[
      '-name',
      '-m',
      '-id',
      '-machine',
      '-accel',
      '-blockdev',
      '-device',
      '-drive',
      '-hda',
      '-sd',
    ],
    ...[
      '-pflash',
      '-fda',
      '-cdrom',
      '--',
      '-',
      '',
      'guest=a',
      '/a',
      'pc,accel=',
      'file=json:{',
      '{',
    ],
    ...[
      '{"driver":{}}',
      '{"file":{"file":{"backing":{}}}}',
      'if=ide,index=99999999',
      'a.b.c=d',
      '4G',
    ],
  ]
  const argv = fc.array(fc.oneof(fc.constantFrom(...words), fc.string(), fc.json()), {
    maxLength: 20,
  })
  fc.assert(fc.property(argv, (argv) => void parseQemuCommandLine(argv)))
  const deep = `${'{"file":'.repeat(20_000)}{}${'}'.repeat(20_000)}`
  t.ok(parse('-blockdev', deep).nodes.length > 0, 'nor one that is deep')
  t.ok(parse('-drive', `file=json:${deep}`).drives.length > 0)
  t.ok(parse('-blockdev', `${'file.'.repeat(20_000)}filename=/a`).nodes.length > 0)
})
