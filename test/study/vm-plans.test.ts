import t from 'tap'
import type { DriveConfig } from '../../src/config/drive-schema.ts'
import { identityOf, type VmPlan } from '../../src/guest/plan.ts'
import { applianceAppend } from '../../src/guest/systems/appliance-append.ts'
import { placeOf } from '../../src/storage/image.ts'
import { locateFile } from '../../src/storage/image-file.ts'
import { planCases, tiersOf } from '../../src/study/plan.ts'
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

t.test(
  'a drive that is passed through is no image, and the guest is told where it is',
  async (t) => {
    const { tier: _, size: __, ...none } = drive()
    const drives = {
      root: drive({ tier: 'ssd' }),
      data: { ...none, passthrough: { pci: '0000:01:00.0' } },
    }
    const [point] = planCases(study(), guest({ drives }))
    t.equal(point?.skip, undefined)
    t.strictSame(tiersOf(point!.guest), ['ssd'])
    const [plan] = planVms('demo', point!, PLACEMENT)
    t.strictSame(
      plan?.drives.map(({ name }) => name),
      ['root'],
    )
    t.strictSame(plan?.passthrough, [
      { name: 'data', pci: '0000:01:00.0', guestAddress: '0000:00:1f.0' },
    ])
    t.match(plan?.boot, {
      append: / kvmio.drives=root,data kvmio.passthrough=data@0000:00:1f.0 /,
    })
    t.strictSame(identityOf(plan!).passthrough, [{ name: 'data', pci: '0000:01:00.0' }])
    const twice = planCases({ ...study(), vms: 2 }, guest({ drives }), {})
    t.match(twice[0]?.skip, 'drive data is passed through, for one vm at a time, got 2 vms at once')
  },
)

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

const SOURCE = { path: '/state/systems/debian/disk.img', format: 'raw' } as const
const OF_ROOT =
  'kvmio.drives=root,data kvmio.root=root kvmio.workload=boot-write-shutdown kvmio.drive=root ' +
  'kvmio.write=33554432 kvmio.bs=65536 kvmio.direct=0 kvmio.to=filesystem kvmio.settle=10.000'

t.test('the system debian is on the first drive', async (t) => {
  const of = (more: Partial<DriveConfig>) => {
    const drives = { root: drive(more), data: drive() }
    const [point] = planCases(study(), guest({ system: 'debian', drives }))
    const [plan] = planVms('demo', point!, { ...PLACEMENT, source: SOURCE })
    return plan!
  }
  const plan = of({})
  t.equal(plan.system, 'debian')
  t.strictSame(plan.boot, { drive: 'root' })
  t.strictSame(plan.files, { words: `${OF_ROOT}\n` })
  t.equal(plan.seed, undefined)
  t.equal(plan.mayBeSilent, undefined)
  const shape = ({ drives }: VmPlan) =>
    drives.map(({ backing, source }) => [backing.length, source])
  const none = [0, undefined]
  t.strictSame(shape(plan), [[1, SOURCE], none], 'an overlay on its image, which vms share')
  t.strictSame(shape(of({ backing: 2 })), [[2, SOURCE], none])
  t.strictSame(shape(of({ format: 'raw' })), [[0, SOURCE], none], 'a copy')
  t.strictSame(shape(of({ preallocation: 'metadata' })), [[0, SOURCE], none], 'a copy')
})

t.test("the user's own image, with a seed and without", async (t) => {
  const script = { kind: 'script', run: 'true\n', to: 'filesystem', timeout: 60 } as const
  const of = (seed: 'nocloud' | 'none') => {
    const system = { image: '/home/me/cloud.qcow2', format: 'qcow2', seed } as const
    const from = { path: system.image, format: system.format }
    const with_ = study({ workload: script })
    const [point] = planCases(with_, guest({ system }))
    return planVms('demo', point!, { ...PLACEMENT, source: from })[0]!
  }
  const words = [
    'kvmio.drives=root',
    'kvmio.root=root',
    'kvmio.workload=script',
    'kvmio.drive=root',
    'kvmio.to=filesystem',
    'kvmio.timeout=60.000',
  ]
  t.strictSame(of('nocloud').seed, { words, files: { script: 'true\n' } })
  t.equal(of('nocloud').files, undefined)
  t.equal(of('nocloud').mayBeSilent, undefined)
  t.strictSame(of('none').files, { script: 'true\n', words: `${words.join(' ')}\n` })
  t.equal(of('none').seed, undefined)
  t.equal(of('none').mayBeSilent, true)
  t.equal(of('none').system, 'own')
})

t.test('the appliance and an own kernel are given a script as a file', async (t) => {
  const script = { kind: 'script', run: 'true\n', to: 'device', timeout: 60 } as const
  const with_ = study({ workload: script })
  for (const system of ['appliance', { kernel: '/k', append: '' }] as const) {
    const [point] = planCases(with_, guest({ system }))
    t.strictSame(planVms('demo', point!, PLACEMENT)[0]?.files, { script: 'true\n' })
  }
})
