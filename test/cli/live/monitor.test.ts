import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ActiveStudy, Vm } from '../../../src/attribution/records.ts'
import type { Engine } from '../../../src/cli/engine.ts'
import { Monitor, type MonitorParts } from '../../../src/cli/live/monitor.ts'
import { ScrapeMemory } from '../../../src/cli/live/scrapes.ts'
import { Journal } from '../../../src/journal/journal.ts'
import { HangGuard } from '../../../src/lib/hang-guard.ts'
import { silentLog } from '../../../src/lib/log.ts'
import * as m from '../../../src/metrics/catalog.ts'
import { sample } from '../../../src/metrics/family.ts'
import type { Second } from '../../../src/sampler/second.ts'
import type { StudyEvent } from '../../../src/study/event.ts'
import type { LiveState } from '../../../src/web/live/state.ts'
import { type FakeHost, fakeHost, fakeVm } from '../../sampler/fake-host.ts'

interface Watched extends FakeHost {
  monitor: Monitor
  memory: ScrapeMemory
  studies: ActiveStudy[]
  scrapes: { count: number }
  time: { now: number }
  tell(event: StudyEvent): void
  second(): Promise<void>
}

/** A monitor of a host whose counters a test sets. */
async function watched(t: Test, more: Partial<MonitorParts> = {}): Promise<Watched> {
  const host = await fakeHost(t)
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-monitor-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const journal = new Journal(join(directory, 'journal.sqlite'))
  t.teardown(() => journal.close())
  const studies: ActiveStudy[] = []
  let onSecond = (_second: Second) => {}
  let onEvent = (_event: StudyEvent) => {}
  const engine = {
    vms: () => host.vms,
    knownVms: () => host.vms.map((vm: Vm) => ({ ...vm, running: true })),
    tiers: () => host.tiers,
    activeStudies: () => studies,
    holder: { current: { file: '/k.yaml' }, lastReloadSuccessful: true, lastReloadTime: 5 },
    guard: new HangGuard(),
    log: silentLog,
    journal,
    onEvent(listener: typeof onEvent) {
      onEvent = listener
      return () => {
        onEvent = () => {}
      }
    },
    onSecond(listener: typeof onSecond) {
      onSecond = listener
      return () => {
        onSecond = () => {}
      }
    },
  } as unknown as Engine
  const time = { now: 1000 }
  const memory = new ScrapeMemory(['host', 'tier'], () => time.now)
  const scrapes = { count: 0 }
  const monitor = new Monitor(engine, {
    async collect() {
      scrapes.count += 1
      const samples = ['host', 'tier'].flatMap((collector) => [
        sample(m.collectorSeconds, { collector }, 0.002),
        sample(m.collectorSuccess, { collector }, collector === 'host' ? 1 : 0),
      ])
      memory.failed('tier', new Error('no answer'))
      const tier = { tier: 'sata' }
      const space = [
        sample(m.tierSpace.size, tier, 100),
        sample(m.tierSpace.free, tier, 50),
        sample(m.tierSpace.available, tier, 40),
      ]
      memory.saw([...samples, ...space])
      return samples
    },
    scrapes: memory,
    ready: () => undefined,
    room: () => undefined,
    now: () => time.now,
    ...more,
  })
  return {
    ...host,
    ...{ monitor, memory, studies, scrapes, time },
    tell: (event) => onEvent(event),
    async second() {
      time.now += 1
      const before = host.seconds.length
      await host.tick()
      if (host.seconds.length > before) onSecond(host.seconds.at(-1)!)
    },
  }
}

t.test('a tier and a vm on it', async (t) => {
  const rooms: string[] = []
  const { monitor, ...host } = await watched(t, {
    room(tier) {
      rooms.push(tier)
      return { vms: 31, headroom: 30, bound: 'io', method: 'sigma' }
    },
  })
  const operations = { 'drive-root': { writes: 0, writeSeconds: 0 } }
  host.vms.push(fakeVm('a', { operations }))
  await host.cgroup('a', {})
  await host.second()
  operations['drive-root'] = { writes: 40, writeSeconds: 1 }
  await host.cgroup('a', { writes: 44 })
  await host.second()
  await host.devices({ device: 'vda', major: 254, minor: 0, writesCompleted: 50, writeMs: 500 })
  await host.second()
  const { tiers, vms, at } = await monitor.state()
  t.equal(at, 1003)
  t.match(tiers, [
    {
      ...{ name: 'sata', kind: 'filesystem', device: 'vda', found: false, vms: 1, capacity: 100 },
      flow: { now: 50, mean: 50, latency: 0.01 },
      history: [0, 50],
      room: { vms: 31, headroom: 30, bound: 'io', method: 'sigma' },
      space: { sizeBytes: 100, freeBytes: 50, availableBytes: 40 },
    },
  ])
  t.strictSame(rooms, ['sata'])
  t.match(vms, [
    {
      ...{ name: 'a', study: 'demo', case: 'only', manager: 'kvmio', accelerator: 'tcg' },
      drives: [{ name: 'root', tier: 'sata', bus: 'virtio-blk', format: 'raw', cache: 'none' }],
      history: [40, 0],
      layers: [
        { layer: 'qemu', flow: { now: 0, mean: 20 }, transactions: 40 },
        { layer: 'process', flow: { mean: 22 }, transactions: 44 },
        { layer: 'device', device: 'vda', flow: { now: 50 } },
      ],
    },
  ])
  t.equal(vms[0]?.layers.length, 3, 'a guest that has told nothing has no layer')
})

t.test('the capacity is as rated, else as calibrated', async (t) => {
  const { monitor, tiers } = await watched(t)
  const of = { baseLatency: 0.01, residual: 0.1 }
  const classes = [
    { ...of, class: 'random-read', peak: 101, capacity: 80 },
    { ...of, class: 'random-write', peak: 98, capacity: 78 },
  ]
  tiers.push({ name: 'b', kind: 'directory', calibration: { endedAt: 9, classes } })
  tiers.push({ name: 'c', kind: 'directory' })
  const [rated, calibrated, neither] = (await monitor.state()).tiers
  t.match(rated, { capacity: 100, capacitySource: 'rated', calibration: undefined })
  t.match(calibrated, {
    ...{ capacity: 78, capacitySource: 'calibrated' },
    calibration: { endedAt: 9, classes: [{ class: 'random-read', peak: 101, capacity: 80 }, {}] },
  })
  t.equal(neither?.capacity, undefined)
})

t.test('nothing is gathered while nobody looks', async (t) => {
  const { monitor, scrapes, ...host } = await watched(t)
  for (let second = 0; second < 3; second++) await host.second()
  t.equal(scrapes.count, 0)
  const states: LiveState[] = []
  const leave = monitor.onState((state) => states.push(state))
  for (let second = 0; second < 3; second++) await host.second()
  t.strictSame(
    states.map(({ at }) => at),
    [1004, 1005, 1006],
  )
  t.equal(scrapes.count, 1, 'the collectors run once, not each second')
  leave()
  for (let second = 0; second < 20; second++) await host.second()
  t.equal(states.length, 3)
  t.equal(scrapes.count, 1)
  await monitor.state()
  t.equal(scrapes.count, 2, 'what is too old is asked again')
  await monitor.state()
  t.equal(scrapes.count, 2)
  monitor.close()
  const before = (await monitor.state()).health.secondAt
  await host.second()
  t.equal((await monitor.state()).health.secondAt, before)
})

t.test('a page that cannot be made does not hold the sampler', async (t) => {
  const { monitor, ...host } = await watched(t)
  monitor.onState(() => {
    throw new Error('no page')
  })
  for (let second = 0; second < 3; second++) await host.second()
  t.equal((await monitor.state()).tiers[0]?.history.length, 2)
})

t.test('the collectors are as the last scrape found them', async (t) => {
  const { monitor, memory, time } = await watched(t)
  t.match(memory.collectors, [{ name: 'host' }, { name: 'tier' }])
  t.equal(memory.oldest, undefined)
  const { health } = await monitor.state()
  t.strictSame(health.collectors, [
    { name: 'host', seconds: 0.002, success: true, at: 1000 },
    {
      ...{ name: 'tier', error: { message: 'no answer', at: 1000 } },
      ...{ seconds: 0.002, success: false, at: 1000 },
    },
  ])
  time.now = 1010
  memory.saw([sample(m.collectorSuccess, { collector: 'host' }, 0)])
  t.match(memory.collectors, [{ name: 'host', success: false, at: 1010 }, { at: 1000 }])
  t.equal(memory.oldest, 1000, 'a scrape of some collectors is none of the others')
  t.strictSame(memory.space('sata'), { sizeBytes: 100, freeBytes: 50, availableBytes: 40 })
  t.equal(memory.space('other'), undefined)
})

t.test('a collector that hangs does not hold the page', async (t) => {
  const hung = Promise.withResolvers<never>()
  const { monitor } = await watched(t, { collect: () => hung.promise })
  const { health } = await monitor.state()
  t.equal(health.collectors[0]?.success, undefined)
  hung.reject(new Error('gone'))
})

t.test('a study, from its wait to its end', async (t) => {
  const { monitor, studies, tell, time } = await watched(t)
  const seen = async () => (await monitor.state()).studies
  t.strictSame(await seen(), [])
  const active: ActiveStudy = { name: 'demo' }
  studies.push(active)
  tell({ type: 'waiting', study: 'demo', for: 'tier sata' })
  t.match(await seen(), [{ name: 'demo', waiting: 'tier sata' }])
  active.progress = { done: 1, of: 4, left: 100 }
  tell({ type: 'progress', study: 'demo', done: 1, of: 4, left: 100 })
  active.run = { case: 'ide', block: 2, id: 7 }
  const run = { study: 'demo', case: 'ide', block: 2, run: 7, done: 1, of: 4 }
  tell({ type: 'run-started', ...run })
  time.now += 30
  t.match(await seen(), [
    { run: { id: 7, case: 'ide', block: 2, startedAt: 1000 }, done: 1, of: 4, left: 70 },
  ])
  t.equal((await seen())[0]?.waiting, undefined)
  time.now += 300
  t.match(await seen(), [{ left: 0 }], 'never less than none')
  active.paused = 'request'
  active.run = undefined
  t.match(await seen(), [{ paused: 'request', left: 100 }], 'it stands still meanwhile')
  studies.length = 0
  t.strictSame(await seen(), [])
})
