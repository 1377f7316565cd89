import t from 'tap'
import type { Vm, VmIdentity } from '../../src/attribution/records.ts'
import { VmRegistry } from '../../src/guest/registry.ts'
import type { RunningVm } from '../../src/guest/running-vm.ts'

function running(name: string, phase?: string, study = 'demo'): RunningVm {
  const identity = { name, study } as VmIdentity
  return {
    plan: { name },
    identity,
    record: { ...identity, pid: 4711 } as Vm,
    phase: phase && { name: phase, startTime: 10 },
  } as unknown as RunningVm
}

t.test('a vm is known before, while and after it runs', async (t) => {
  const registry = new VmRegistry()
  t.strictSame([registry.running(), registry.records(), registry.known()], [[], [], []])
  const first = running('a', 'write')
  registry.add(first)
  t.strictSame(registry.running(), [first])
  t.match(registry.records(), [{ name: 'a', pid: 4711 }])
  const known = { name: 'a', study: 'demo' }
  t.strictSame(registry.known(), [
    { ...known, running: true, phase: { name: 'write', startTime: 10 }, outcome: undefined },
  ])
  registry.ended(first.identity, 'failed')
  t.strictSame([registry.running(), registry.records()], [[], []])
  t.strictSame(registry.known(), [
    { ...known, running: false, phase: undefined, outcome: 'failed' },
  ])
})

t.test('the outcome of the last run stays until the next one ends', async (t) => {
  const registry = new VmRegistry()
  registry.add(running('a'))
  registry.ended(running('a').identity, 'failed')
  registry.add(running('a', 'boot'))
  t.match(registry.known(), [{ running: true, phase: { name: 'boot' }, outcome: 'failed' }])
  registry.ended(running('a').identity, 'passed')
  t.match(registry.known(), [{ running: false, outcome: 'passed' }])
  t.equal(registry.known().length, 1)
})

t.test('a study that has ended is forgotten, other studies are not', async (t) => {
  const registry = new VmRegistry()
  const names = () => registry.known().map(({ name }) => name)
  for (const [name, study] of [
    ['a', 'demo'],
    ['b', 'demo'],
    ['c', 'other'],
  ] as const) {
    registry.add(running(name, undefined, study))
  }
  registry.ended(running('a').identity, 'passed')
  registry.forget('demo')
  t.strictSame(names(), ['b', 'c'], 'what runs is known')
  registry.ended(running('b').identity, 'passed')
  registry.forget('demo')
  t.strictSame(names(), ['c'])
})

t.test('a vm that could not be had has an outcome and never ran', async (t) => {
  const registry = new VmRegistry()
  registry.ended(running('a').identity, 'failed')
  t.strictSame(registry.running(), [])
  t.match(registry.known(), [{ name: 'a', running: false, outcome: 'failed' }])
})
