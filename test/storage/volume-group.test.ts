import t from 'tap'
import type { TierConfig } from '../../src/config/schema.ts'
import { hasDeviceMapper, type LogicalVolume, mapperName } from '../../src/source/lvm.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import { openTier } from '../../src/storage/tiers.ts'
import {
  locateVolume,
  lvcreateArgs,
  orphansOf,
  removeOrphanVolumes,
  volumeName,
  volumeTag,
} from '../../src/storage/volume-group.ts'
import { stateFor } from './state.ts'

const TAG = 'kvmio-0123abcd'
const LINEAR = { name: 'vg0' }
const THIN = { name: 'vg0', thinPool: 'pool' }
const GROUP: TierConfig = { volumeGroup: LINEAR }

t.test('where a drive is', async (t) => {
  const path = '/dev/vg0/kvmio-demo-virtio-blk-raw-1.root'
  t.strictSame(locateVolume(LINEAR, 'demo-virtio-blk-raw-1', 'root'), { kind: 'device', path })
  t.strictSame(locateVolume(THIN, 'demo-virtio-blk-raw-1', 'root'), { kind: 'device', path })
  t.equal(mapperName(path), 'vg0-kvmio--demo--virtio--blk--raw--1.root')
})

t.test('names that are told apart, and that the device mapper can hold', async (t) => {
  t.not(volumeName('vg0', 'a-1', 'b'), volumeName('vg0', 'a', '1-b'))
  const vm = 'v-'.repeat(31)
  const names = ['root', 'data', 'd-'.repeat(9)].map((drive) =>
    volumeName('g-'.repeat(8), vm, drive),
  )
  t.equal(new Set(names).size, 3)
  for (const name of names) {
    t.match(name, /^kvmio-v-v-v-v-v-v-\.[0-9a-f]{8}$/)
    t.ok(mapperName(`/dev/${'g-'.repeat(8)}/${name}`).length <= 127)
  }
})

t.test('a state directory has a tag of its own', async (t) => {
  t.match(volumeTag('/var/lib/kvmio'), /^kvmio-[0-9a-f]{8}$/)
  t.not(volumeTag('/var/lib/kvmio'), volumeTag('/var/lib/kvmi0'))
})

t.test('what lvcreate is told', async (t) => {
  const { path } = locateVolume(LINEAR, 'vm', 'root') as { path: string }
  t.equal(
    lvcreateArgs(path, 10_000_000, LINEAR, TAG).join(' '),
    '--yes --quiet --addtag kvmio-0123abcd --name kvmio-vm.root --wipesignatures y --zero y --size 10000384b vg0',
  )
  t.equal(
    lvcreateArgs(path, 2 ** 30, THIN, TAG).join(' '),
    '--yes --quiet --addtag kvmio-0123abcd --name kvmio-vm.root --virtualsize 1073741824b --thinpool pool vg0',
  )
})

t.test("only kvmio's own volumes are removed, and none that is open", async (t) => {
  const volume = (name: string, more: Partial<LogicalVolume>): LogicalVolume => ({
    ...{ group: 'vg0', name, sizeBytes: 1, tags: [], open: false },
    ...more,
  })
  const volumes = [
    volume('root', {}),
    volume('kvmio-by-its-name', {}),
    volume('kvmio-other', { tags: ['kvmio-ffffffff'] }),
    volume('kvmio-runs', { tags: [TAG], open: true }),
    volume('kvmio-dead', { tags: ['x', TAG] }),
  ]
  t.strictSame(
    orphansOf(volumes, TAG).map(({ name }) => name),
    ['kvmio-dead'],
  )
})

const root = process.geteuid?.() === 0
const lacking = root && (await missingPrograms(['lvcreate', 'lvremove', 'lvs', 'vgs']))
const mapper = await hasDeviceMapper('/proc')

t.test('a host without a device mapper', { skip: mapper && 'this host has one' }, async (t) => {
  const context = await stateFor(t)
  const { tier, close } = await openTier('lvm', GROUP, context)
  t.match(tier, { kind: 'volumeGroup', target: 'vg0' })
  t.equal(
    tier.unavailable,
    !root
      ? 'needs root for logical volumes'
      : (lacking ??
          'this host has no device mapper: modprobe dm_mod, or a kernel with CONFIG_BLK_DEV_DM'),
  )
  await close()
  t.strictSame(await removeOrphanVolumes(TAG, '/proc'), { removed: [], left: [] })
})

const noGroup = !root ? 'needs root' : (lacking ?? false)
t.test('no such volume group', { skip: noGroup }, async (t) => {
  const context = await stateFor(t)
  // As on a host that has a device mapper: vgs answers without one.
  const procRoot = t.testdir({ misc: '236 device-mapper\n' })
  const config = { volumeGroup: { name: 'kvmio-test-nowhere' } }
  const { tier } = await openTier('lvm', config, { ...context, procRoot })
  t.match(
    tier.unavailable,
    /^there is no volume group kvmio-test-nowhere; this host has .+: vgcreate makes one$/,
  )
})
