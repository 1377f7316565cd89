import fc from 'fast-check'
import t from 'tap'
import { caseName, withFactors } from '../../src/config/factors.ts'
import { parseConfig } from '../../src/config/load.ts'
import { study } from '../study/configs.ts'

const { guests } = parseConfig(
  `tiers: { local: { directory: /images } }
guests:
  student: { drives: { root: { tier: local, size: 1GiB } } }
  own: { system: { kernel: /boot/linux }, drives: { root: { tier: local, size: 1GiB } } }
`,
  '/lab/kvmio.yaml',
)
const student = guests.student!

t.test('factors change what they name and nothing else', async (t) => {
  const before = structuredClone(student)
  const given = study()
  const varied = withFactors(student, given, {
    'drives.root.bus': 'ide',
    'drives.root.size': '2GiB',
    memory: '256MiB',
    vcpus: 2,
    'deadlines.boot': '90s',
  })
  t.strictSame(varied.guest, {
    ...before,
    memory: 256 * 2 ** 20,
    vcpus: 2,
    deadlines: { ...before.deadlines, boot: 90 },
    drives: { root: { ...before.drives.root, bus: 'ide', size: 2 ** 31 } },
  })
  t.strictSame(varied.study, given)
  t.strictSame(student, before)
  t.strictSame(withFactors(student, given, {}), { guest: before, study: given })
  const own = withFactors(guests.own!, given, { 'system.kernel': '/boot/other' })
  t.strictSame(own.guest.system, { kernel: '/boot/other', append: '' })
  t.strictSame(withFactors(guests.own!, given, { system: 'appliance' }).guest.system, 'appliance')
  t.strictSame(
    withFactors(student, given, { 'balloon.target': '128MiB' }).guest.balloon,
    { target: 128 * 2 ** 20, freePageReporting: false, poll: 2 },
    'a mapping that the guest leaves out comes with its defaults',
  )
})

t.test('factors may name what a study says of its vms', async (t) => {
  const given = study({ pause: 7 })
  const before = structuredClone(given)
  const varied = withFactors(student, given, {
    vms: 4,
    stagger: '2s',
    hostCache: 'cold',
    'workload.boot-write-shutdown.write': '1MiB',
    'workload.boot-write-shutdown.drive': 'root',
  })
  t.strictSame(varied.guest, student)
  t.strictSame(varied.study, {
    ...before,
    vms: 4,
    stagger: 2,
    hostCache: 'cold',
    workload: { ...before.workload, write: 2 ** 20, drive: 'root' },
  })
  t.strictSame(given, before)
})

t.test('a factor that the config would have refused is refused here too', async (t) => {
  const error = t.throws(() =>
    withFactors(student, study(), { 'drives.root.buss': 'ide' }),
  ) as Error
  t.equal(
    error.message,
    'factor drives.root.buss: expected a key of drives.root: tier, passthrough, bus, format, size, preallocation, clusterSize, lazyRefcounts, extendedL2, backing, cache, aio, discard, detectZeroes, iothread, queues or throttle, got "buss"; did you mean bus?',
  )
  t.throws(() => withFactors(student, study(), { 'drives.root.bus': 'floppy' }))
})

t.test('cases are called by their values', async (t) => {
  t.equal(caseName(['virtio-blk', 'qcow2']), 'virtio-blk-qcow2')
  t.equal(caseName([]), 'only')
  t.equal(caseName(['io_uring', 2, true, '1.5GiB']), 'io-uring-2-true-1-5gib')
  t.equal(
    caseName(['/boot/vmlinuz-6.1', 'root=/dev/vda quiet', '']),
    'vmlinuz-6-1-root-dev-vda-quiet-none',
  )
  const values = fc.array(fc.oneof(fc.string(), fc.double(), fc.boolean()))
  fc.assert(fc.property(values, (values) => /^[a-z0-9]+(-[a-z0-9]+)*$/.test(caseName(values))))
})

t.test('a mapping that the guest does without begins with its factor', async (t) => {
  const varied = withFactors(student, study(), {
    'drives.root.throttle.iops': 100,
    'drives.root.throttle.bytesPerSecond': '1MiB',
  })
  t.strictSame(varied.guest.drives.root?.throttle, { iops: 100, bytesPerSecond: 2 ** 20 })
})
