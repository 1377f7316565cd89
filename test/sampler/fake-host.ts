// A host whose counters a test sets: files as the kernel writes them, and vms that answer as qemu would.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Drive, Tier, Vm } from '../../src/attribution/records.ts'
import { Sampler } from '../../src/sampler/sampler.ts'
import type { Second } from '../../src/sampler/second.ts'
import { type Diskstat, parseDiskstats } from '../../src/source/diskstats.ts'
import type { Qmp } from '../../src/source/qmp.ts'
import { formatDiskstat } from '../source/printers.ts'

export const VDA = { device: 'vda', major: 254, minor: 0 }

/** Of a drive, as query-blockstats counts it. */
export interface Operations {
  reads?: number
  writes?: number
  flushes?: number
  /** How long the writes took, summed. */
  writeSeconds?: number
}

export interface FakeVm extends Vm {
  operations: Record<string, Operations>
  /** Called before each answer: to fail, or to let time pass. */
  beforeAnswer?: () => void | Promise<void>
}

// What qemu counts beside the operations.
const IDLE = Object.fromEntries(
  ['rd', 'wr', 'flush'].flatMap((prefix) =>
    [
      `${prefix}_bytes`,
      `${prefix}_merged`,
      `${prefix}_total_time_ns`,
      `failed_${prefix}_operations`,
      `invalid_${prefix}_operations`,
      'wr_highest_offset',
    ].map((key) => [key, 0]),
  ),
)

export function fakeDrive(more: Partial<Drive> = {}): Drive {
  return {
    name: 'root',
    tier: 'sata',
    bus: 'virtio-blk',
    format: 'raw',
    cache: 'none',
    direct: true,
    aio: 'threads',
    preallocation: 'off',
    lazyRefcounts: false,
    extendedL2: false,
    backing: 0,
    discard: 'ignore',
    detectZeroes: 'off',
    iothread: false,
    backend: { kind: 'file', path: '/a.raw' },
    id: 'drive-root',
    ...more,
  }
}

export function fakeVm(name: string, more: Partial<FakeVm> = {}): FakeVm {
  const vm: FakeVm = {
    name,
    manager: 'kvmio',
    study: 'demo',
    case: 'only',
    slot: 1,
    guest: 'student',
    system: 'appliance',
    workload: 'idle',
    accelerator: 'tcg',
    drives: [fakeDrive()],
    adopted: false,
    pid: 4711,
    memoryBytes: 192 * 2 ** 20,
    cgroup: `kvmio/${name}`,
    guestDisks: () => [],
    operations: { 'drive-root': {} },
    ...more,
    qmp: {
      async query() {
        await vm.beforeAnswer?.()
        return Object.entries(vm.operations).map(
          ([qdev, { reads = 0, writes = 0, flushes = 0, writeSeconds = 0 }]) => {
            const done = {
              ...{ rd_operations: reads, wr_operations: writes, flush_operations: flushes },
              wr_total_time_ns: writeSeconds * 1e9,
            }
            return { qdev, stats: { ...IDLE, ...done } }
          },
        )
      },
    } as unknown as Qmp,
  }
  return vm
}

export interface FakeHost {
  procRoot: string
  vms: FakeVm[]
  tiers: Tier[]
  errors: [source: string, error: unknown][]
  seconds: Second[]
  clock: { now: number }
  sampler: Sampler
  /** Writes /proc/diskstats. */
  devices(...stats: (Partial<Diskstat> & { device: string })[]): Promise<void>
  /** Writes /proc/stat, in hundredths of a second. */
  cpu(spent: { user?: number; idle?: number; steal?: number }): Promise<void>
  /** Writes what a vm's cgroup counted on 254:0. */
  cgroup(vm: string, counts: Partial<CgroupCounts>): Promise<void>
  /** A second later, one reading. */
  tick(ms?: number): Promise<void>
}

interface CgroupCounts {
  reads: number
  writes: number
  readBytes: number
  writtenBytes: number
}

/** Which is gone when the test has ended. */
export async function fakeHost(t: Test): Promise<FakeHost> {
  const root = await mkdtemp(join(tmpdir(), 'kvmio-sampler-'))
  t.teardown(() => rm(root, { recursive: true, force: true }))
  const vms: FakeVm[] = []
  const tiers: Tier[] = [
    { name: 'sata', kind: 'filesystem', device: 'vda', ratedTransactionsPerSecond: 100 },
  ]
  const errors: FakeHost['errors'] = []
  const seconds: Second[] = []
  const clock = { now: 50_000 }
  const sampler = new Sampler({
    procRoot: root,
    hierarchy: { version: 2, root: join(root, 'cgroup') },
    vms: () => vms,
    tiers: () => tiers,
    onError: (source, error) => errors.push([source, error]),
    onSecond: (second) => seconds.push(second),
    now: () => clock.now,
  })
  const host: FakeHost = {
    ...{ procRoot: root, vms, tiers, errors, seconds, clock, sampler },
    async devices(...stats) {
      const empty = parseDiskstats(`254 0 vda ${'0 '.repeat(17)}`)[0]!
      const lines = stats.map((stat) => `${formatDiskstat({ ...empty, ...stat })}\n`)
      await writeFile(join(root, 'diskstats'), lines.join(''))
    },
    async cpu({ user = 0, idle = 0, steal = 0 }) {
      await writeFile(join(root, 'stat'), `cpu  ${user} 0 0 ${idle} 0 0 0 ${steal} 0 0\n`)
    },
    async cgroup(vm, { reads = 0, writes = 0, readBytes = 0, writtenBytes = 0 }) {
      const directory = join(root, 'cgroup/kvmio', vm)
      await mkdir(directory, { recursive: true })
      const io = `rbytes=${readBytes} wbytes=${writtenBytes} rios=${reads} wios=${writes}`
      await writeFile(join(directory, 'io.stat'), `254:0 ${io} dbytes=0 dios=0\n`)
    },
    async tick(ms = 1000) {
      clock.now += ms
      await sampler.tick()
    },
  }
  await host.devices(VDA)
  await host.cpu({})
  return host
}
