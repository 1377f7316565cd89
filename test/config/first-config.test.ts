import fc from 'fast-check'
import t from 'tap'
import { type FirstConfigParts, firstConfig, placeWords } from '../../src/config/first-config.ts'
import { parseConfig } from '../../src/config/load.ts'

const PARTS: FirstConfigParts = {
  state: './.kvmio',
  places: [
    { name: 'nvme', directory: './.kvmio/nvme', what: '/: ext4 on nvme0n1', usable: true },
    {
      name: 'hdd',
      directory: '/srv/old disk/kvmio',
      what: '/srv/old disk: xfs on sda',
      usable: true,
    },
    { name: 'hdd-2', directory: '/srv/b/kvmio', what: '/srv/b: ext4 on sdb', usable: false },
  ],
  emulated: true,
  buses: ['virtio-blk', 'ide'],
  formats: ['qcow2', 'raw'],
  balloon: true,
  foreignVms: false,
  volumeGroups: ['vg0', 'Old_VG.1'],
}

t.test('a host with everything', async (t) => {
  const text = firstConfig(PARTS)
  const config = parseConfig(text, '/lab/kvmio.yaml')
  t.strictSame(Object.keys(config.tiers), ['nvme', 'hdd', 'slow'])
  t.match(config.tiers, {
    nvme: { directory: '/lab/.kvmio/nvme', target: { latency: 0.005 }, capacity: undefined },
    hdd: { directory: '/srv/old disk/kvmio', target: { latency: 0.05 }, capacity: undefined },
    slow: { filesystem: { type: 'ext4' }, emulate: { serviceTime: 0.01 } },
  })
  t.strictSame(config.studies.first?.factors, {
    'drives.root.tier': ['nvme', 'hdd', 'slow'],
    'drives.root.bus': ['virtio-blk', 'ide'],
    'drives.root.format': ['qcow2', 'raw'],
  })
  t.match(text, '  # This user may not write there.\n  # hdd-2:\n  #   directory: /srv/b/kvmio\n')
  t.match(text, '  # lvm-old-vg-1:\n  #   volumeGroup: { name: Old_VG.1 }\n')
})

t.test('vms that run already are looked at', async (t) => {
  const discovery = (foreignVms: boolean) =>
    parseConfig(firstConfig({ ...PARTS, foreignVms }), '/lab/kvmio.yaml').discovery
  t.strictSame(discovery(false), { qemu: false })
  t.strictSame(discovery(true), { qemu: true })
})

t.test('what it says in comments is right when it is no comment any more', async (t) => {
  const text = firstConfig({ ...PARTS, volumeGroups: [] })
    .replace('# balloon:', 'balloon:')
    .replace('# discovery:', 'discovery:')
    .replace('# schedule:', 'schedule:')
    .replaceAll('    # capacity:', '    capacity:')
    .replaceAll(/^ {2}# ((hdd-2:| {2}(directory|target):).*)$/gm, '  $1')
  const config = parseConfig(text, '/lab/kvmio.yaml')
  t.strictSame(config.discovery, { qemu: true })
  t.match(config.guests.small?.balloon, { target: 128 * 2 ** 20, at: 'settle' })
  t.equal(config.studies.first?.schedule, 'continuous')
  t.equal(config.tiers.nvme?.capacity?.transactionsPerSecond, 400)
  t.equal(config.tiers['hdd-2']?.directory, '/srv/b/kvmio')
})

t.test('any host has a config that is accepted', async () => {
  const name = fc.constantFrom('nvme', 'ssd', 'hdd', 'virtual', 'ssd-2', 'local')
  const place = fc.record({
    name,
    directory: fc.stringMatching(/^\/[ -~]{1,20}$/).map((path) => `/x${path}`),
    what: fc.stringMatching(/^[ -~]{1,30}$/),
    usable: fc.boolean(),
  })
  const some = <T>(...values: T[]) => fc.subarray(values, { minLength: 1 })
  const parts = fc.record({
    state: fc.constantFrom('./.kvmio', '/var/lib/kvmio'),
    places: fc
      .uniqueArray(place, {
        minLength: 1,
        maxLength: 4,
        selector: ({ name }) => name,
      })
      .map(([first, ...rest]) => [{ ...first!, usable: true }, ...rest])
      .filter((places) => new Set(places.map(({ directory }) => directory)).size === places.length),
    emulated: fc.boolean(),
    buses: some('virtio-blk', 'ide', 'sata'),
    formats: some('qcow2', 'raw'),
    balloon: fc.boolean(),
    foreignVms: fc.boolean(),
    volumeGroups: fc.array(fc.stringMatching(/^[\w.+-]{1,20}$/), { maxLength: 2 }),
  })
  fc.assert(
    fc.property(parts, (parts) => {
      parseConfig(firstConfig(parts), '/lab/kvmio.yaml')
    }),
  )
})

t.test('a place in words', async (t) => {
  const words = placeWords('xfs', ['sda', 'sdb'], '/srv', 1.5 * 2 ** 40)
  t.equal(words, '/srv: xfs on sda and sdb, 1.5 TiB free')
})
