// The recorded host of kernel 6.1 with two vms on its stacks: one whose figures are all there, and one of which nearly all are missing.
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Tier, Vm } from '../../src/attribution/records.ts'
import { fixture } from '../source/fixtures.ts'
import type { PageHost } from './golden-page.ts'
import { answering, drive, folder, HOST, recordedBlockstats, vm } from './host.ts'

const TIERS: Tier[] = [
  { name: 'lvm', kind: 'volumeGroup', target: 'vg-a', device: 'dm-0' },
  {
    ...{ name: 'nvme', kind: 'directory', directory: '/mnt/ext4/pool', filesystem: 'ext4' },
    ...{ device: 'nvme1n1p1', ratedTransactionsPerSecond: 10_000, unavailable: 'only recorded' },
  },
  { name: 'pool', kind: 'directory', filesystem: 'btrfs', unavailable: 'only recorded' },
]

/** The vm's drives: a logical volume, a qcow2 over a base image on an nvme namespace of two paths. */
async function wholeVm(): Promise<Vm> {
  const answer = await recordedBlockstats('running')
  return vm('shop-only-1', {
    ...{ study: 'shop', case: 'only', cgroup: 'vm' },
    drives: [
      drive('root', {
        ...{ tier: 'lvm', format: 'raw', backend: { kind: 'device', path: '/dev/vg-a/lv' } },
      }),
      drive('data', {
        ...{ tier: 'nvme', bus: 'nvme', backing: 1 },
        backend: { kind: 'file', path: '/mnt/ext4/pool/data.qcow2' },
        backingImages: [{ format: 'raw', backend: { kind: 'file', path: '/mnt/bind/base.raw' } }],
      }),
    ],
    qmp: answering(async (command) => (command === 'query-blockstats' ? answer : [])),
    guestDisks: () => [
      // A guest with kernel 3.10.
      { drive: 'root', disk: 'vda', stat: '68 15 472 35 149 6502 16850 295 0 280 334' },
    ],
  })
}

/** One with a silent qemu, a process that cannot be read, and a cgroup that has gone. */
function missingVm(): Vm {
  return vm('shop-only-2', {
    ...{ study: 'shop', case: 'only', slot: 2, pid: 4712, cgroup: 'gone' },
    drives: [
      drive('root', {
        ...{ tier: 'pool', cache: 'writeback', direct: false },
        backend: { kind: 'file', path: '/mnt/btrfs/root.qcow2' },
      }),
      drive('data', {
        ...{ tier: 'pool', format: 'raw', backend: { kind: 'url', url: 'nbd://127.0.0.1/data' } },
      }),
    ],
    qmp: answering(() => Promise.reject(new Error('no answer'))),
  })
}

/** No iostat, and no figures of its tiers' space; with TLS. */
export async function stackHost(t: Test): Promise<PageHost> {
  const root = await folder(t)
  await cp(fixture('recorded-stack-6.1'), root, { recursive: true })
  await cp(fixture(`${HOST}/proc/4711`), join(root, 'proc/4711'), { recursive: true })
  return {
    root,
    hierarchy: { version: 2, root: join(root, 'cgroup') },
    vms: [await wholeVm(), missingVm()],
    tiers: TIERS,
    showsDevice: /^(dm|nvme|sd)/,
    webHolder: {
      ...{ lastReloadSuccessful: true, lastReloadTime: 1795409700 },
      current: () => ({ tls: { notAfter: 1798001700 } }),
    },
  }
}

/** A host whose kernel gives neither discards, flushes, available memory nor pressure, without cgroups and iostat. */
export function oldHost(): PageHost {
  return {
    root: fixture('constructed-3.10'),
    vms: [],
    tiers: [{ name: 'local', kind: 'directory', device: 'dm-0', unavailable: 'only written' }],
  }
}
