import t from 'tap'
import { applianceAppend } from '../../src/guest/systems/appliance-append.ts'
import { placeOf } from '../../src/storage/image.ts'
import { locateFile } from '../../src/storage/image-file.ts'
import { planCases } from '../../src/study/plan.ts'
import { type Placement, planVms } from '../../src/study/vm-plans.ts'
import { drive, guest, study } from './configs.ts'

const PLACEMENT: Placement = {
  stateDir: '/state',
  locate: (tier, vm, drive, format) => locateFile(`/state/tiers/${tier}`, vm, drive, format),
  accelerator: 'tcg',
  appliance: { kernel: '/appliance/kernel', initrd: '/appliance/initrd.img' },
}

t.test('one plan a vm, whole', async (t) => {
  const of = study({ vms: 2, factors: { 'drives.root.bus': ['ide'] } })
  const [point] = planCases(of, guest())
  const placement = { ...PLACEMENT, cgroup: 'kvmio-1', runAs: 61177 }
  const [first, second, ...more] = planVms('demo', point!, placement)
  t.strictSame(more, [])
  t.strictSame(first, {
    name: 'demo-ide-1',
    study: 'demo',
    case: 'ide',
    slot: 1,
    guest: 'student',
    system: 'appliance',
    workload: 'boot-write-shutdown',
    directory: '/state/vms/demo-ide-1',
    accelerator: 'tcg',
    memoryBytes: 192 * 2 ** 20,
    vcpus: 1,
    balloon: undefined,
    boot: {
      kernel: '/appliance/kernel',
      initrd: '/appliance/initrd.img',
      append: applianceAppend(of.workload, ['root']),
    },
    drives: [
      {
        name: 'root',
        tier: 'local',
        bus: 'ide',
        format: 'qcow2',
        preallocation: 'off',
        lazyRefcounts: false,
        extendedL2: false,
        cache: 'none',
        aio: 'threads',
        discard: 'ignore',
        detectZeroes: 'off',
        iothread: false,
        sizeBytes: 2 ** 30,
        backend: { kind: 'file', path: '/state/tiers/local/demo-ide-1-root.qcow2' },
        backing: [],
      },
    ],
    deadlines: { start: 30, boot: 120, phase: 1800 },
    runAs: 61177,
    cgroup: 'kvmio-1/demo-ide-1',
  })
  t.match(second, {
    name: 'demo-ide-2',
    slot: 2,
    directory: '/state/vms/demo-ide-2',
    cgroup: 'kvmio-1/demo-ide-2',
    drives: [{ backend: { path: '/state/tiers/local/demo-ide-2-root.qcow2' } }],
  })
  t.strictSame(planVms('demo', point!, placement)[0], first, 'the same again, by repetition')
})

t.test('each drive on its tier', async (t) => {
  const drives = { root: drive({ tier: 'ssd' }), data: drive({ tier: 'sata', format: 'raw' }) }
  const [point] = planCases(study(), guest({ drives }))
  const [plan] = planVms('demo', point!, PLACEMENT)
  t.strictSame(
    plan?.drives.map(({ backend }) => placeOf(backend)),
    ['/state/tiers/ssd/demo-only-1-root.qcow2', '/state/tiers/sata/demo-only-1-data.raw'],
  )
  t.equal(plan?.cgroup, undefined)
  t.equal(plan?.runAs, undefined)
})

t.test('a chain that all vms of a run share', async (t) => {
  const drives = { root: drive({ backing: 3 }) }
  const of = study({ vms: 2 })
  const [point] = planCases(of, guest({ drives }))
  const plans = planVms('demo', point!, PLACEMENT)
  for (const { drives } of plans) {
    t.strictSame(
      drives[0]?.backing.map(({ format, backend }) => [format, placeOf(backend)]),
      [
        ['raw', '/state/tiers/local/demo-only-root-base0.raw'],
        ['qcow2', '/state/tiers/local/demo-only-root-base1.qcow2'],
        ['qcow2', '/state/tiers/local/demo-only-root-base2.qcow2'],
      ],
    )
  }
})

t.test("the user's own kernel", async (t) => {
  const system = { kernel: '/home/me/bzImage', append: 'quiet' }
  const [point] = planCases(study(), guest({ system }))
  const [plan] = planVms('demo', point!, PLACEMENT)
  const append = `${applianceAppend(study().workload, ['root'])} quiet`
  t.strictSame(plan?.boot, { kernel: '/home/me/bzImage', initrd: undefined, append })
  t.equal(plan?.system, 'own')
})
