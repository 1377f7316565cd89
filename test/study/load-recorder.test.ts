import t from 'tap'
import type { VmPlan } from '../../src/guest/plan.ts'
import type { RunningVm } from '../../src/guest/running-vm.ts'
import type { OpenTier } from '../../src/storage/tiers.ts'
import type { SecondRates } from '../../src/study/context.ts'
import { LoadRecorder } from '../../src/study/load-recorder.ts'

/** A run of these vms, and a clock that ticks when the test says so. */
function recording(names: readonly string[], tiers: readonly string[] = ['sata']) {
  const members = names.map((name) => ({
    plan: { name, drives: tiers.map((tier) => ({ tier })) } as VmPlan,
    vm: { phase: undefined } as { phase?: { name: string; startTime: number } },
  }))
  const listeners = new Set<(second: SecondRates) => void>()
  const device: Record<string, string> = { sata: 'loop0', ssd: 'vda' }
  const context = {
    tier: (name: string) => ({ tier: { device: device[name] } }) as OpenTier,
    onSecond(listener: (second: SecondRates) => void) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  const recorder = new LoadRecorder(members as { plan: VmPlan; vm: RunningVm }[], context)
  return {
    recorder,
    listeners,
    phase(name: string, ...of: number[]) {
      for (const index of of) members[index]!.vm.phase = { name, startTime: 0 }
    },
    second(devices: Record<string, number>, vms: Record<string, number> = {}) {
      const rates = { devices: new Map(Object.entries(devices)), vms: new Map(Object.entries(vms)) }
      for (const listener of listeners) listener(rates)
    },
  }
}

t.test('a device counts only while all vms write, and from its first whole second', async (t) => {
  const { recorder, phase, second } = recording(['a', 'b'])
  second({ loop0: 1 })
  phase('write', 0)
  second({ loop0: 10 }, { a: 40, b: 1 })
  phase('write', 1)
  second({ loop0: 50 }, { a: 50, b: 60 }) // b began somewhere in this second
  second({ loop0: 100, vda: 7 }, { a: 50, b: 60 })
  second({ loop0: 90 }, { a: 50 })
  phase('settle', 0)
  second({ loop0: 30 }, { a: 1, b: 60 })
  recorder.stop()
  const { devices, vmTransactions } = recorder.summary()
  t.strictSame(devices, [{ tier: 'sata', device: 'loop0', low: 95, high: 95, seconds: 2 }])
  t.equal(vmTransactions, (40 + 50 + 60 + 50 + 60 + 50 + 60) / 7, 'a vm, while it writes itself')
})

t.test('ten seconds at a time', async (t) => {
  const { recorder, phase, second } = recording(['a'])
  phase('write', 0)
  second({ loop0: 5 })
  for (let n = 0; n < 10; n++) second({ loop0: 100 })
  for (let n = 0; n < 10; n++) second({ loop0: 80 })
  t.strictSame(recorder.summary().devices, [
    { tier: 'sata', device: 'loop0', low: 80, high: 100, seconds: 10 },
  ])
})

t.test('what was not seen is not told', async (t) => {
  const { recorder, listeners, second } = recording(['a'], ['sata', 'ssd', 'tmpfs'])
  second({ loop0: 5, vda: 5 }, { a: 5 })
  t.strictSame(recorder.summary(), {
    vmTransactions: undefined,
    devices: [],
    stolen: undefined,
  })
  recorder.stop()
  t.equal(listeners.size, 0)
})

t.test('two tiers', async (t) => {
  const { recorder, phase, second } = recording(['a'], ['sata', 'ssd'])
  phase('write', 0)
  second({ loop0: 5, vda: 6 })
  second({ loop0: 7, vda: 8 })
  t.strictSame(
    recorder.summary().devices.map(({ tier, device, low }) => [tier, device, low]),
    [
      ['sata', 'loop0', 7],
      ['ssd', 'vda', 8],
    ],
  )
})

t.test('stolen processor time is that of the seconds in which a vm writes', async (t) => {
  const { recorder, phase, listeners } = recording(['a', 'b'])
  const stolen = (share?: number) => {
    for (const listen of listeners) listen({ devices: new Map(), vms: new Map(), stolen: share })
  }
  stolen(0.9)
  t.equal(recorder.summary().stolen, undefined)
  phase('write', 0)
  stolen(0.25)
  stolen(undefined)
  stolen(0.75)
  phase('settle', 0)
  stolen(0.9)
  t.equal(recorder.summary().stolen, 0.5)
})
