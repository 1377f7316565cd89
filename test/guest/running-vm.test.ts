import t from 'tap'
import { launchVm } from '../../src/guest/launch.ts'
import type { VmEnd } from '../../src/guest/running-vm.ts'
import { applianceAppend } from '../../src/guest/systems/appliance-append.ts'
import type { PhaseRow } from '../../src/journal/runs.ts'
import { silentLog } from '../../src/lib/log.ts'
import { applianceOrLack, until } from '../e2e/kvmio.ts'
import { BINARY, planOf, vmsFolder } from './vm-plan.ts'

const { appliance, lack } = await applianceOrLack()

t.test('a vm whose QMP connection is lost is connected again', { skip: lack }, async (t) => {
  const told: { phases: PhaseRow[]; ended: VmEnd[] } = { phases: [], ended: [] }
  const plan = planOf(await vmsFolder(t), 'lost-1', {
    memoryBytes: 104 * 2 ** 20,
    boot: {
      kernel: appliance?.kernel ?? '',
      initrd: appliance?.initrd,
      append: applianceAppend({ kind: 'idle', time: 3 }, []),
    },
    deadlines: { start: 30, boot: 60, phase: 60 },
  })
  const context = {
    procRoot: '/proc',
    binary: BINARY,
    log: silentLog,
    now: () => Date.now() / 1000,
  }
  const vm = await launchVm(plan, context, {
    started() {},
    booted() {},
    result() {},
    phases: (_offset, phases) => told.phases.push(...phases),
    ended: async (end) => void told.ended.push(end),
  })
  t.teardown(() => vm.stop('the test is over'))
  await until('the guest to be idle', () => vm.phase?.name === 'idle')
  const lost = vm.record.qmp
  lost.close()
  await until('another connection', () => vm.record.qmp !== lost && vm.record.qmp.isOpen)
  t.match(await vm.record.qmp.command('query-status'), { status: 'running' })
  const end = await vm.finished
  t.match(end, {
    outcome: 'passed',
    lastSample: { drives: [], guestDisks: [], cpuSeconds: Number },
  })
  t.strictSame(told.ended, [end], 'told before qemu quits')
  t.strictSame(
    told.phases.map(({ phase }) => phase),
    ['boot', 'idle', 'shutdown', 'off'],
  )
})
