import t from 'tap'
import type { DriveConfig } from '../../src/config/drive-schema.ts'
import type { WorkloadConfig } from '../../src/config/workload-schema.ts'
import type { DrivePlan, VmPlan } from '../../src/guest/plan.ts'
import {
  checkConservation,
  conservationProblem,
  type WrittenTier,
} from '../../src/study/conservation.ts'

const MIB = 2 ** 20
const WRITE = { kind: 'boot-write-shutdown', write: 32 * MIB } as WorkloadConfig

interface Given {
  drive?: Partial<DriveConfig>
  guestBytes?: number
  discards?: number
  tier?: WrittenTier
  system?: string
  workload?: WorkloadConfig
  deviceBytes?: number
}

function check({
  drive = {},
  guestBytes = 40 * MIB,
  discards = 0,
  tier = { kind: 'filesystem', device: 'loop0' },
  system = 'appliance',
  workload = WRITE,
  deviceBytes = 41 * MIB,
}: Given) {
  const of = {
    name: 'root',
    tier: 'sata',
    cache: 'none',
    discard: 'ignore',
    detectZeroes: 'off',
    ...drive,
  } as unknown as DrivePlan
  const plan = { system, drives: [of] } as VmPlan
  const written = new Map([['loop0', deviceBytes]])
  const drives = [{ plan, drive: of, guestBytes, discards }]
  return checkConservation(drives, workload, () => tier, written)
}

const held = (expectedBytes: number, writtenBytes: number) => [
  { device: 'loop0', expectedBytes, writtenBytes, holds: writtenBytes >= expectedBytes },
]
const exempt = (reason: string) => [{ drive: 'root', tier: 'sata', exempt: reason }]

t.test('with direct I/O the device was written what the guest wrote', async (t) => {
  t.strictSame(check({}), held(40 * MIB, 41 * MIB))
  const short = check({ deviceBytes: 39 * MIB })
  t.strictSame(short, held(40 * MIB, 39 * MIB))
  t.equal(
    conservationProblem(short),
    'conservation: the guests wrote 40 MiB at the least, and device loop0 was written 39 MiB',
  )
  t.equal(conservationProblem(check({})), undefined)
  t.equal(conservationProblem(check({ tier: { kind: 'url' } })), undefined)
})

t.test('host-cached, what the workload writes once', async (t) => {
  const drive = { cache: 'writeback' } as const
  t.strictSame(check({ drive }), held(32 * MIB, 41 * MIB))
  t.strictSame(check({ drive, deviceBytes: 10 * MIB }), held(32 * MIB, 10 * MIB))
  t.strictSame(check({ drive, workload: { kind: 'idle', time: 5 } }), held(0, 41 * MIB))
  const other = { ...WRITE, drive: 'data' } as WorkloadConfig
  t.strictSame(check({ drive, workload: other }), held(0, 41 * MIB), 'of another drive')
})

t.test(
  'a guest that has zeros written by WRITE ZEROES wrote fewer bytes than it counts',
  async (t) => {
    t.strictSame(check({ system: 'debian' }), held(32 * MIB, 41 * MIB), 'the data alone')
    t.strictSame(
      check({ workload: { kind: 'install' } as WorkloadConfig }),
      exempt('how much of what its workload writes is written once only is not known'),
    )
    t.strictSame(check({ workload: { kind: 'fio' } as WorkloadConfig }), held(40 * MIB, 41 * MIB))
    t.strictSame(
      check({ workload: { kind: 'fio' } as WorkloadConfig, drive: { cache: 'unsafe' } }),
      exempt('how much of what its workload writes is written once only is not known'),
    )
  },
)

const EXEMPT: [Given, string][] = [
  [{ tier: { kind: 'url' } }, 'its data is on a server'],
  [{ tier: { kind: 'directory' } }, 'its tier has no one block device'],
  [{ tier: { kind: 'directory', device: 'sda1' } }, 'device sda1 has no counters of the whole run'],
  [{ drive: { discard: 'unmap' }, discards: 3 }, 'its guest discarded some of what it wrote'],
  [{ drive: { detectZeroes: 'on' } }, 'zeros that are written to it need not be stored'],
  [
    { tier: { kind: 'filesystem', device: 'loop0', mountOptions: ['rw', 'compress=zstd:3'] } },
    'the filesystem of its tier compresses',
  ],
]
t.test('what cannot be checked says so', async (t) => {
  for (const [given, reason] of EXEMPT) t.strictSame(check(given), exempt(reason), reason)
  t.strictSame(check({ drive: { discard: 'unmap' } }), held(40 * MIB, 41 * MIB), 'none was made')
})

t.test('the drives on one device count together', async (t) => {
  const drive = {
    name: 'root',
    tier: 'sata',
    cache: 'none',
    discard: 'ignore',
    detectZeroes: 'off',
  } as unknown as DrivePlan
  const plan = { system: 'appliance', drives: [drive] } as VmPlan
  const drives = [1, 2, 3].map((n) => ({ plan, drive, guestBytes: n * MIB }))
  const tier = { kind: 'filesystem', device: 'loop0' } as const
  const both = checkConservation(drives, WRITE, () => tier, new Map([['loop0', 5 * MIB]]))
  t.strictSame(both, held(6 * MIB, 5 * MIB))
})
