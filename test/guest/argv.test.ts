import t from 'tap'
import { escapeOption, qemuArgv } from '../../src/guest/argv.ts'
import type { DrivePlan, VmPlan } from '../../src/guest/plan.ts'
import { golden } from '../golden.ts'

function drive(name: string, more: Partial<DrivePlan> = {}): DrivePlan {
  return {
    name,
    tier: 'local',
    bus: 'virtio-blk',
    format: 'qcow2',
    cache: 'none',
    aio: 'threads',
    sizeBytes: 2 ** 30,
    preallocation: 'off',
    lazyRefcounts: false,
    extendedL2: false,
    backing: [],
    discard: 'ignore',
    detectZeroes: 'off',
    iothread: false,
    backend: { kind: 'file', path: `/state/local/demo-a-1-${name}.qcow2` },
    ...more,
  }
}

const PLAN: VmPlan = {
  name: 'demo-virtio-blk-qcow2-1',
  study: 'demo',
  case: 'virtio-blk-qcow2',
  slot: 1,
  guest: 'student',
  system: 'appliance',
  workload: 'boot-write-shutdown',
  directory: '/state/vms/demo-virtio-blk-qcow2-1',
  accelerator: 'tcg',
  memoryBytes: 192 * 2 ** 20,
  vcpus: 1,
  boot: {
    kernel: '/state/systems/vmlinuz',
    initrd: '/state/systems/initrd.img',
    append: 'console=ttyS0 kvmio.bs=65536',
  },
  drives: [drive('root')],
  deadlines: { start: 30, boot: 60, phase: 1800 },
  runAs: 61177,
}

/** One argument a line, with its values below their option. */
function text(plan: VmPlan): string {
  return `${qemuArgv(plan).join('\n').replaceAll('\n-', '\n\n-')}\n`
}

t.test('the demo guest', async (t) => golden(t, 'argv-demo.txt', text(PLAN)))

t.test('a balloon', async (t) => {
  const balloon = { targetBytes: 2 ** 27, freePageReporting: true, pollSeconds: 2 }
  const added = qemuArgv({ ...PLAN, balloon }).filter((word) => !qemuArgv(PLAN).includes(word))
  t.strictSame(
    added.map((word) => JSON.parse(word)),
    [
      {
        driver: 'virtio-balloon-pci',
        id: 'balloon',
        'deflate-on-oom': true,
        'free-page-reporting': true,
        'guest-stats-polling-interval': 2,
      },
    ],
  )
})

t.test('a function that is passed through', async (t) => {
  const data = { name: 'data', pci: '0000:01:00.0', guestAddress: '0000:00:1f.0' }
  const added = qemuArgv({ ...PLAN, passthrough: [data] }).slice(qemuArgv(PLAN).length - 1)
  t.strictSame(
    added.filter((word) => word.includes('vfio')).map((word) => JSON.parse(word)),
    [
      {
        driver: 'vfio-pci',
        host: '0000:01:00.0',
        id: 'drive-data',
        bus: 'pci.0',
        addr: '1f.0',
      },
    ],
  )
})

t.test('every bus twice, every cache mode, KVM, not root, own kernel alone', async (t) => {
  const drives = [
    drive('a', { bus: 'virtio-blk', cache: 'writeback' }),
    drive('b', { bus: 'virtio-blk', cache: 'writethrough', format: 'raw' }),
    drive('c', { bus: 'ide', cache: 'none', aio: 'native' }),
    drive('d', { bus: 'ide', cache: 'directsync', aio: 'io_uring' }),
    drive('e', { bus: 'ide', cache: 'unsafe' }),
    drive('f', { bus: 'sata' }),
    drive('g', { bus: 'sata' }),
    drive('h', { bus: 'scsi' }),
    drive('i', { bus: 'scsi' }),
    drive('j', { bus: 'virtio-scsi' }),
    drive('k', { bus: 'virtio-scsi' }),
    drive('l', { bus: 'nvme' }),
    drive('m', { bus: 'pvscsi', discard: 'unmap', detectZeroes: 'unmap' }),
    drive('n', { bus: 'virtio-scsi', iothread: true, queues: 4 }),
    drive('o', { bus: 'virtio-blk', iothread: true, queues: 2 }),
    drive('p', { bus: 'nvme', queues: 8 }),
  ]
  const { runAs: _, ...plan } = PLAN
  const boot = { kernel: '/home/me/bzImage', append: 'console=ttyS0' }
  golden(t, 'argv-every-bus.txt', text({ ...plan, accelerator: 'kvm', vcpus: 4, boot, drives }))
})

t.test('limits over a format over a backing chain, and a block device', async (t) => {
  const layer = (depth: number, format: DrivePlan['format']) => ({
    format,
    backend: { kind: 'file', path: `/state/local/demo-a-root-base${depth}.${format}` } as const,
  })
  const drives = [
    drive('root', {
      backing: [layer(0, 'raw'), layer(1, 'qcow2')],
      throttle: { iops: 100, iopsBurst: 200, bytesPerSecond: 2 ** 20, burstLength: 10 },
      aio: 'native',
      discard: 'unmap',
    }),
    drive('volume', { format: 'raw', backend: { kind: 'device', path: '/dev/vg0/a' } }),
  ]
  golden(t, 'argv-limits-chain.txt', text({ ...PLAN, drives }))
})

t.test('a BIOS boots from the drive; files and a seed for the guest', async (t) => {
  const boot = { drive: 'root' }
  const files = { words: 'kvmio.workload=script\n', script: 'true' }
  const seed = { words: [], files: {} }
  const drives = [drive('root', { bus: 'sata' }), drive('data')]
  const argv = qemuArgv({ ...PLAN, boot, files, seed, drives })
  t.notOk(argv.some((word) => ['-kernel', '-initrd', '-append'].includes(word)))
  const at = (option: string) => argv.filter((_, index) => argv[index - 1] === option)
  t.strictSame(at('-fw_cfg'), [
    'name=opt/kvmio/words,file=/state/vms/demo-virtio-blk-qcow2-1/fw-words',
    'name=opt/kvmio/script,file=/state/vms/demo-virtio-blk-qcow2-1/fw-script',
  ])
  const devices = at('-device').map((word) => JSON.parse(word))
  t.strictSame(
    devices.flatMap(({ id, bootindex }) => (bootindex === undefined ? [] : [[id, bootindex]])),
    [['drive-root', 0]],
  )
  t.strictSame(devices.at(-1), { driver: 'virtio-blk-pci', id: 'seed', drive: 'seed' })
  t.match(JSON.parse(at('-blockdev').at(-1) ?? ''), {
    'node-name': 'seed',
    'read-only': true,
    file: { filename: '/state/vms/demo-virtio-blk-qcow2-1/seed.img', 'read-only': true },
  })
})

t.test('a comma in a path stays one value', async (t) => {
  const argv = qemuArgv({
    ...PLAN,
    directory: '/state,of/vms/x',
    drives: [drive('root', { backend: { kind: 'file', path: '/a,b/"c".raw' } })],
  })
  t.ok(argv.includes('socket,id=qmp,path=/state,,of/vms/x/qmp.sock,server=on,wait=off'))
  const node = JSON.parse(argv[argv.indexOf('-blockdev') + 1] ?? '')
  t.equal(node.file.filename, '/a,b/"c".raw')
  t.equal(escapeOption('a,,b'), 'a,,,,b')
})

t.test(
  'a volume is as large as was asked for, and a disk from the network has its password in a file',
  async (t) => {
    const url = 'iscsi://me@host/iqn.2001-04.com.example:disk/0'
    const argv = qemuArgv({
      ...PLAN,
      drives: [
        drive('a', { format: 'raw', backend: { kind: 'device', path: '/dev/vg0/kvmio-x.a' } }),
        drive('b', { format: 'qcow2', backend: { kind: 'device', path: '/dev/vg0/kvmio-x.b' } }),
        drive('c', {
          format: 'raw',
          backend: { kind: 'url', url, passwordFile: '/etc/pass,word' },
        }),
        drive('d', { format: 'raw', backend: { kind: 'url', url: 'nbd://host/d' } }),
      ],
    })
    const values = (option: string) =>
      argv.flatMap((word, at) => (argv[at - 1] === option ? [JSON.parse(word)] : []))
    const [a, b, c, d] = values('-blockdev')
    t.match(a, { driver: 'raw', size: drive('a').sizeBytes, file: { driver: 'host_device' } })
    t.match(b, { driver: 'qcow2', file: { driver: 'host_device', filename: '/dev/vg0/kvmio-x.b' } })
    t.notOk('size' in b)
    t.match(c.file, {
      ...{ driver: 'iscsi', user: 'me', lun: 0, 'password-secret': 'secret-c' },
      'node-name': 'file-c',
    })
    t.match(d.file, { driver: 'nbd', export: 'd', server: { host: 'host', port: '10809' } })
    t.strictSame(values('-object'), [
      { 'qom-type': 'secret', id: 'secret-c', file: '/etc/pass,word' },
    ])
  },
)
