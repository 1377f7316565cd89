import t from 'tap'
import type { Probe } from '../../src/host/finding.ts'
import { type GuestParts, lackOf, needsOf, type StudyParts } from '../../src/host/needs.ts'
import { createProbing } from '../../src/host/probing.ts'
import { guest } from '../study/configs.ts'

/** A host that has all of these but what is said otherwise. */
function host(
  lacks: Record<string, string>,
  tried: string[] = [],
  only: Record<string, string> = {},
) {
  const subjects = [
    'accel tcg',
    'bus ide',
    'bus pvscsi',
    'iothread',
    'filesystem reiserfs',
    'balloon',
  ]
  const all = new Set([...subjects, ...Object.keys(lacks)])
  return createProbing(
    [...all].map(
      (subject): Probe => ({
        group: '',
        subject,
        remedy: `buy ${subject}`,
        ...(only[subject] ? { only: only[subject] } : {}),
        async trial() {
          tried.push(subject)
          if (lacks[subject] !== undefined) throw new Error(lacks[subject])
          return 'is there'
        },
      }),
    ),
  )
}

const IDLE = { workload: { kind: 'idle' } }

const subjectsOf = (parts: GuestParts, study: StudyParts = IDLE, tiers = {}) =>
  needsOf(parts, study, tiers).map(({ subject }) => subject)

t.test('what a guest of the config needs', async (t) => {
  const plain = guest({ accel: 'tcg' })
  t.strictSame(subjectsOf(plain, { ...IDLE, hostCache: 'cold' }), [
    'accel tcg',
    'system appliance',
    'hostCache cold',
    'workload idle',
    'bus virtio-blk',
    'format qcow2',
    'preallocation off',
    'cache none',
    'aio threads',
    'discard ignore',
    'detectZeroes off',
  ])
  const root = {
    tier: 'local',
    bus: 'virtio-scsi',
    iothread: true,
    lazyRefcounts: false,
    queues: 4,
    backing: 0,
    throttle: { iops: 100 },
  }
  const lent = { passthrough: { pci: '0000:00:04.0' }, bus: 'virtio-blk', format: 'qcow2' }
  const balloon = { freePageReporting: true, poll: 2 }
  t.strictSame(
    subjectsOf({ system: { kernel: '/k' }, accel: 'kvm', balloon, drives: { root, lent } }),
    [
      'accel kvm',
      'system kernel',
      'kernel /k',
      'workload idle',
      'balloon',
      'bus virtio-scsi',
      ...['iothread', 'queues', 'throttle'],
      'passthrough',
    ],
  )
})

t.test('what a system of the user needs', async (t) => {
  const drives = { root: { tier: 'local' } }
  const system = { image: '/i.qcow2', format: 'qcow2', seed: 'nocloud' }
  const subjects = subjectsOf({ system, accel: 'tcg', drives })
  for (const subject of ['system image', 'format qcow2', 'seed nocloud'])
    t.ok(subjects.includes(subject), subject)
})

t.test('what its tiers need, and no others', async (t) => {
  const drives = Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f'].map((tier) => [tier, { tier }]))
  const tiers = {
    a: { directory: '/a' },
    b: { filesystem: { type: 'ext4' }, emulate: { serviceTime: 0.01 } },
    c: { filesystem: { type: 'reiserfs', device: '/dev/sdx' } },
    d: { volumeGroup: { name: 'vg0' } },
    e: { device: '/dev/sdy' },
    f: { url: 'nbd+unix:///x?socket=/s' },
    unused: { filesystem: { type: 'xfs' } },
  }
  const needs = needsOf({ system: 'appliance', accel: 'tcg', drives }, IDLE, tiers)
  t.strictSame(
    needs.slice(3).map(({ place }) => place),
    [
      'tier a: directory',
      ...['tier b: filesystem', 'tier b: filesystem ext4', 'tier b: loop devices'],
      'tier b: emulate',
      ...['tier c: filesystem', 'tier c: filesystem reiserfs'],
      'tier d: volumeGroup',
      'tier e: device',
      'tier f: url nbd',
    ],
  )
})

t.test('the first thing that a host lacks, with its reason and its remedy', async (t) => {
  const parts = {
    system: 'appliance',
    accel: 'tcg',
    drives: { root: { tier: 'old', bus: 'pvscsi' } },
  }
  const tiers = { old: { filesystem: { type: 'reiserfs' } } }
  const lack = (lacks: Record<string, string>) => lackOf(needsOf(parts, IDLE, tiers), host(lacks))
  t.equal(await lack({}), undefined)
  t.equal(
    await lack({ 'bus pvscsi': 'this qemu has no device pvscsi' }),
    'drives.root.bus pvscsi: this qemu has no device pvscsi; buy bus pvscsi',
  )
  t.equal(
    await lack({ 'filesystem reiserfs': 'this kernel has no reiserfs' }),
    'tier old: filesystem reiserfs: this kernel has no reiserfs; buy filesystem reiserfs',
  )
  t.equal(await lack({ 'bus ide': 'what it does not need' }), undefined)
})

t.test('only what is needed is tried, and that once', async (t) => {
  const tried: string[] = []
  const probing = host({}, tried)
  const parts = { system: 'appliance', accel: 'tcg', drives: { root: { tier: 'x', bus: 'ide' } } }
  for (const kind of ['idle', 'fio']) await lackOf(needsOf(parts, { workload: { kind } }), probing)
  t.strictSame(tried, ['accel tcg', 'bus ide'])
})

t.test('what holds for one folder alone is no reason', async (t) => {
  const tried: string[] = []
  const probing = host({ 'cache none': 'no O_DIRECT' }, tried, { 'cache none': '/tmp' })
  const drives = { root: { tier: 'x', cache: 'none' } }
  t.equal(await lackOf(needsOf({ system: 'a', accel: 'b', drives }, IDLE), probing), undefined)
  t.strictSame(tried, [])
})
