import t from 'tap'
import { busProblems, driveProblems } from '../../src/config/drive-rules.ts'
import { drive } from '../study/configs.ts'

const KIB = 2 ** 10
const GIB = 2 ** 30

/** One mistake a row: the drive, where it is, and what is said of it. */
const BAD: [more: Parameters<typeof drive>[0], path: string, message: string][] = [
  [
    { aio: 'native', cache: 'unsafe' },
    'aio',
    'aio native needs cache none or directsync (it works on O_DIRECT alone), got cache unsafe',
  ],
  [
    { format: 'raw', clusterSize: 65_536 },
    'clusterSize',
    'clusterSize is for format qcow2, got format raw',
  ],
  [{ format: 'raw', backing: 1 }, 'backing', 'backing is for format qcow2, got format raw'],
  [
    { format: 'raw', preallocation: 'metadata' },
    'preallocation',
    'preallocation metadata is for format qcow2, got format raw',
  ],
  [
    { extendedL2: true, clusterSize: 8 * KIB },
    'extendedL2',
    'extendedL2 needs a clusterSize of at least 16KiB, got 8 KiB',
  ],
  [
    { backing: 1, preallocation: 'full' },
    'preallocation',
    'preallocation over a backing image needs extendedL2, got preallocation full without it',
  ],
  [
    { clusterSize: 512, size: 129 * GIB },
    'size',
    'expected at most 128 GiB with clusters of 512 B, got 129 GiB',
  ],
  [
    { detectZeroes: 'unmap' },
    'detectZeroes',
    'detectZeroes unmap needs discard unmap, got discard ignore',
  ],
  [
    { iothread: true, bus: 'nvme' },
    'iothread',
    'an iothread is for bus virtio-blk or virtio-scsi, got bus nvme',
  ],
  [
    { queues: 2, bus: 'ide' },
    'queues',
    'queues are for bus virtio-blk, virtio-scsi or nvme, got bus ide',
  ],
  [
    { throttle: { iopsBurst: 5 } },
    'throttle.iopsBurst',
    'expected iops too, which a burst exceeds for a while, got none',
  ],
  [
    { throttle: { bytesPerSecond: 4096, bytesPerSecondBurst: 512 } },
    'throttle.bytesPerSecondBurst',
    'expected at least bytesPerSecond, which is 4096, got 512',
  ],
  [
    { throttle: { iops: 5, burstLength: 2 } },
    'throttle.burstLength',
    'expected iopsBurst or bytesPerSecondBurst, which it is the length of, got none',
  ],
]

t.test('what qemu would refuse, with the rule', async (t) => {
  for (const [more, path, message] of BAD) {
    const problems = driveProblems(drive(more)).map((problem) => [
      problem.path.join('.'),
      problem.message,
    ])
    t.strictSame(problems, [[path, message]])
  }
})

t.test('all at once', async (t) => {
  const bad = drive({ bus: 'ide', format: 'raw', extendedL2: true, iothread: true, queues: 4 })
  t.equal(driveProblems(bad).length, 3)
  t.strictSame(driveProblems(drive()), [])
  t.strictSame(
    driveProblems({ tier: undefined, size: undefined }),
    [],
    'values with mistakes of their own are nobody else',
  )
})

t.test('drives that find no place', async (t) => {
  const on = (bus: Parameters<typeof drive>[0], count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`d${index}`, drive(bus)]))
  t.strictSame(busProblems(on({ bus: 'ide' }, 4)), [])
  t.strictSame(busProblems(on({ bus: 'ide' }, 5)), [
    { path: ['drives'], at: 'key', message: 'expected at most 4 on bus ide, got 5' },
  ])
  t.match(busProblems(on({ bus: 'nvme' }, 25)), [
    { message: 'expected at most 24 on bus virtio-blk, virtio-scsi or nvme, got 25' },
  ])
})
