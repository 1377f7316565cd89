import t from 'tap'
import type { WorkloadConfig } from '../../src/config/workload-schema.ts'
import { qemuArgv } from '../../src/guest/argv.ts'
import { planCases } from '../../src/study/plan.ts'
import { type Placement, planVms } from '../../src/study/vm-plans.ts'
import { drive, guest, study } from './configs.ts'

const PLACEMENT: Placement = {
  stateDir: '/state',
  locate: (tier, vm, drive) => ({ kind: 'file', path: `/${tier}/${vm}-${drive}` }),
  accelerator: 'tcg',
  appliance: { kernel: '/appliance/kernel', initrd: '/appliance/initrd.img' },
  packageDrive: '/systems/packages/root.img',
}

type Install = Extract<WorkloadConfig, { kind: 'install' }>

function plansOf(install: Partial<Install>, more: Parameters<typeof study>[0] = {}) {
  const drives = { data: drive(), root: drive({ bus: 'ide' }) }
  const [point] = planCases(
    study({ workload: { kind: 'install', ...install }, ...more }),
    guest({ drives, memory: 256 * 2 ** 20 }),
  )
  t.equal(point?.skip, undefined)
  return planVms('demo', point!, PLACEMENT)
}

t.test(
  'the built-in installer: the appliance, and the packages on a drive that is only read',
  async (t) => {
    const [plan] = plansOf({ drive: 'root', packages: 'minbase' })
    t.match(plan, {
      boot: { kernel: '/appliance/kernel', append: / kvmio\.drive=root kvmio\.set=minbase$/ },
      media: [{ name: 'packages', kind: 'disk', path: '/systems/packages/root.img' }],
    })
    t.match(plan?.boot, { append: / kvmio\.drives=data,root,packages / }, 'the guest waits for it')
    t.strictSame(
      plan?.drives.map(({ name }) => name),
      ['data', 'root'],
      'it is no drive of the vm, and on no tier',
    )
    t.equal(plan?.done, undefined)
    const argv = qemuArgv(plan!)
    t.ok(
      argv.includes(
        '{"node-name":"medium-packages","driver":"raw","read-only":true,"file":{"driver":"file","filename":"/systems/packages/root.img","read-only":true}}',
      ),
    )
    t.ok(
      argv.includes(
        '{"driver":"virtio-blk-pci","id":"medium-packages","drive":"medium-packages","serial":"packages"}',
      ),
    )
  },
)

t.test('a list of packages is minbase with these', async (t) => {
  const [plan] = plansOf({ packages: ['vim'] })
  t.match(plan?.boot, { append: / kvmio\.set=minbase$/ })
})

t.test("an installer of one's own", async (t) => {
  const files = { 'ks.cfg': '/lab/ks.cfg' }
  const [plan] = plansOf({ kernel: '/k', initrd: '/i', append: 'inst.text', files, media: '/dvd' })
  t.strictSame(plan?.boot, { kernel: '/k', initrd: '/i', append: 'inst.text', files })
  t.strictSame(plan?.media, [{ name: 'cd', kind: 'cdrom', path: '/dvd' }])
  t.equal(plan?.done, 'power-off', 'the end that a panicking kernel cannot feign')
  const argv = qemuArgv(plan!)
  t.equal(argv[argv.indexOf('-initrd') + 1], '/state/vms/demo-only-1/initrd.img')
  t.ok(
    argv.includes(
      '{"driver":"ide-cd","bus":"ide.1","unit":1,"id":"medium-cd","drive":"medium-cd"}',
    ),
  )
  const [plain] = plansOf({ kernel: '/k', initrd: '/i' })
  const plainArgv = qemuArgv(plain!)
  t.equal(plainArgv[plainArgv.indexOf('-initrd') + 1], '/i')
})

t.test('an ISO image boots', async (t) => {
  const [plan] = plansOf({ iso: '/cd.iso', done: 'reboot' })
  t.strictSame(plan?.boot, { medium: 'cd' })
  t.equal(plan?.done, 'reboot')
  const argv = qemuArgv(plan!)
  t.notOk(argv.includes('-kernel'))
  t.ok(
    argv.includes(
      '{"driver":"ide-cd","bus":"ide.1","unit":1,"id":"medium-cd","drive":"medium-cd","bootindex":0}',
    ),
  )
})

t.test('four drives on IDE leave no place for a CD', async (t) => {
  const names = ['a', 'b', 'c', 'd']
  const skipsOf = (count: number) => {
    const drives = Object.fromEntries(names.slice(0, count).map((n) => [n, drive({ bus: 'ide' })]))
    const workload = { kind: 'install' as const, iso: '/cd.iso' }
    return planCases(study({ workload }), guest({ drives })).map(({ skip }) => skip)
  }
  t.strictSame(skipsOf(3), [undefined])
  t.strictSame(skipsOf(4), [
    'workload.install.iso: expected at most 3 drives on bus ide beside the CD, got 4',
  ])
})

t.test('what is kept: of the first vm, by a name of its own in each case', async (t) => {
  const [first, second] = plansOf({ drive: 'root', keep: 'fresh' }, { vms: 2 })
  t.strictSame(first?.keep, { drive: 'root', path: '/state/systems/installed/fresh.qcow2' })
  t.equal(second?.keep, undefined)
  const [varied] = plansOf({ keep: 'fresh' }, { factors: { hostCache: ['cold'] } })
  t.strictSame(varied?.keep, { drive: 'data', path: '/state/systems/installed/fresh-cold.qcow2' })
  const [none] = plansOf({})
  t.equal(none?.keep, undefined)
})
