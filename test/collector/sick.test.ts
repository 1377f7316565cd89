import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Vm } from '../../src/attribution/records.ts'
import { createCollectors } from '../../src/collector/all.ts'
import { collectAll, collectEach, type Scrape } from '../../src/collector/collector.ts'
import { qmp } from '../../src/collector/qmp.ts'
import { tier } from '../../src/collector/tier.ts'
import { HangGuard } from '../../src/lib/hang-guard.ts'
import { run, startProcess } from '../../src/lib/process.ts'
import * as m from '../../src/metrics/catalog.ts'
import { sample } from '../../src/metrics/family.ts'
import { Qmp } from '../../src/source/qmp.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import {
  answering,
  drive,
  folder,
  recordedBlockstats,
  recordedIostat,
  scrapeOf,
  valuesOf,
  vm,
} from './host.ts'
import { endpoint, pausedQemu } from './qemus.ts'

const skip = (await missingPrograms(['qemu-system-x86_64'])) ?? false

function names(count: number, prefix = 'vm'): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}`)
}

async function connected(path: string, name: string, more: Partial<Vm> = {}): Promise<Vm> {
  const client = await Qmp.connect({ name: `vm ${name}`, path })
  return vm(name, { qmp: client, drives: [drive('root')], ...more })
}

/** The page's samples of all collectors, of these vms. */
async function scrapeWith(t: Test, vms: readonly Vm[], more: Partial<Scrape> = {}) {
  const scrape = await scrapeOf(t, {
    vms,
    knownVms: vms.map((one) => ({ ...one, running: true })),
    iostat: await recordedIostat(),
    ...more,
  })
  const collectors = createCollectors()
  return { scrape, collect: () => collectAll(collectors, scrape) }
}

t.test(
  'a stopped qemu among thirty vms: 29 are complete, and it comes back',
  { skip },
  async (t) => {
    const { path } = await endpoint(t, await recordedBlockstats('running'))
    const real = await Promise.all(
      names(3, 'real').map(async (name) => {
        const qemu = await pausedQemu(t, name)
        return vm(name, { ...qemu, pid: 4711, drives: [drive('root')] })
      }),
    )
    const stopped = await pausedQemu(t, 'stopped')
    const vms = [
      ...(await Promise.all(names(26).map((name) => connected(path, name)))),
      ...real,
      vm('stopped', { qmp: stopped.qmp, drives: [drive('root')] }),
    ]
    const well = vms.map(({ name }) => name).filter((name) => name !== 'stopped')
    const drives = well.map((name) => `${name} root`).sort()
    const { scrape, collect } = await scrapeWith(t, vms, { timeoutMs: 1_000 })
    const shown = (samples: Awaited<ReturnType<typeof collect>>) =>
      Object.keys(valuesOf(samples, m.drive.readsCompleted)).sort()

    const before = await collect()
    t.strictSame(shown(before), [...drives, 'stopped root'].sort())
    const answered = valuesOf(before, m.vmLastAnswer).stopped
    process.kill(stopped.pid, 'SIGSTOP')
    for (const time of ['the scrape that waits for it', 'one that does not']) {
      const samples = await collect()
      t.strictSame(shown(samples), drives, time)
      const up = valuesOf(samples, m.vmUp)
      t.equal(up.stopped, 0)
      t.equal(Object.values(up).filter((value) => value === 1).length, 29)
      t.equal(valuesOf(samples, m.vmLastAnswer).stopped, answered, 'since when, is told')
      const processes = valuesOf(samples, m.vmProcess.cpuSeconds)
      t.equal(Object.keys(processes).length, 30, 'what does not need its answer is there')
      const success = Object.values(valuesOf(samples, m.collectorSuccess))
      t.ok(success.every((value) => value === 1))
    }
    t.match(scrape.errors, [
      ['qmp', 'vm stopped: no answer to QMP query-blockstats in 0.8 s'],
      ['qmp', /^vm stopped: no answer to QMP query-blockstats in [\d.]+ s$/],
    ])
    process.kill(stopped.pid, 'SIGCONT')
    await stopped.qmp.command('query-status')
    t.strictSame(shown(await collect()), [...drives, 'stopped root'].sort())
  },
)

t.test('a thousand sockets that are dead cost the one that lives nothing', { skip }, async (t) => {
  const dead = await endpoint(t, undefined)
  const qemu = await pausedQemu(t, 'alive')
  const vms = await Promise.all(names(1000, 'dead').map((name) => connected(dead.path, name)))
  vms.push(vm('alive', { ...qemu, pid: 4711, drives: [drive('root')] }))
  const { scrape } = await scrapeWith(t, vms, { timeoutMs: 5_000 })
  for (let time = 1; time <= 3; time++) {
    const samples = await collectAll([qmp], scrape)
    t.strictSame(Object.keys(valuesOf(samples, m.drive.readsCompleted)), ['alive root'])
    const up = Object.values(valuesOf(samples, m.vmUp))
    t.equal(up.length, 1001)
    t.equal(up.filter((value) => value === 1).length, 1)
    t.equal(scrape.errors.length, time * 1000, 'each is told')
    t.strictSame(valuesOf(samples, m.collectorSuccess).qmp, 1)
  }
  t.equal(dead.questions.count, 1000, 'each was asked once')
})

t.test('two scrapes at once are both complete', { skip }, async (t) => {
  const qemus = await Promise.all(names(3).map((name) => pausedQemu(t, name)))
  const vms = qemus.map((qemu, index) => vm(`vm-${index}`, { ...qemu, pid: 4711 }))
  const { scrape, collect } = await scrapeWith(t, vms)
  const [first, second] = await Promise.all([collect(), collect()])
  const series = (samples: typeof first) =>
    samples.map(({ family, labels }) => `${family.name} ${JSON.stringify(labels)}`)
  t.strictSame(series(first), series(second))
  t.equal(Object.keys(valuesOf(first, m.drive.readsCompleted)).length, 3)
  t.strictSame(scrape.errors, [])
})

t.test("a scrape that is aborted ends at once, and its rest is nobody's error", async (t) => {
  const dead = await endpoint(t, undefined)
  const gone = new AbortController()
  const vms = [await connected(dead.path, 'silent')]
  const { scrape, collect } = await scrapeWith(t, vms, { timeoutMs: 500, signal: gone.signal })
  const collecting = collect()
  while (dead.questions.count === 0) await sleep(1)
  gone.abort(new Error('the client has gone'))
  await t.rejects(collecting, { message: 'the client has gone' })
  await t.rejects(collect(), { message: 'the client has gone' }, 'nor is another one begun')
  await sleep(600)
  t.strictSame(scrape.errors, [])
  t.equal(dead.questions.count, 1)
})

t.test('items that are late cost themselves; what the others gave is kept', async (t) => {
  const scrape = await scrapeOf(t, { timeoutMs: 100 })
  const items = names(3).map((name) => ({ name }))
  const stuck = {
    name: 'stuck',
    collect: () =>
      collectEach('stuck', items, scrape, ({ name }) =>
        name === 'vm-1' ? new Promise(() => {}) : [sample(m.vmUp, { vm: name }, 1)],
      ),
  }
  const samples = await collectAll([stuck], scrape)
  t.strictSame(valuesOf(samples, m.vmUp), { 'vm-0': 1, 'vm-2': 1 })
  t.strictSame(valuesOf(samples, m.collectorSuccess), { stuck: 1 })
  t.strictSame(scrape.errors, [['stuck', 'collector stuck: vm-1 did not end in 0.09 s']])
})

t.test('half of everything hangs: the other half answers', async (t) => {
  const answer = await recordedBlockstats('running')
  const hangs = answering(() => new Promise(() => {}))
  const vms = names(20).map((name, index) =>
    vm(name, { qmp: index % 2 === 0 ? hangs : answering(async () => answer) }),
  )
  const never = { name: 'never', collect: () => new Promise<never>(() => {}) }
  const knownVms = vms.map((one) => ({ ...one, running: true }))
  const scrape = await scrapeOf(t, { vms, knownVms, timeoutMs: 200 })
  const samples = await collectAll([never, qmp], scrape)
  t.strictSame(valuesOf(samples, m.collectorSuccess), { never: 0, qmp: 1 })
  const up = valuesOf(samples, m.vmUp)
  t.equal(Object.values(up).filter((value) => value === 1).length, 10)
  t.equal(Object.keys(valuesOf(samples, m.drive.readsCompleted)).length, 20, 'two drives each')
})

const noFuse =
  process.geteuid?.() === 0
    ? ((await missingPrograms(['nbdkit', 'nbdfuse'])) ?? false)
    : 'needs root for a mount'

t.test('a mount whose server hangs costs its own space', { skip: noFuse }, async (t) => {
  const directory = await folder(t)
  const healthy = await folder(t)
  const nbdkit = ['--command', 'nbdkit', '-s', '--exit-with-parent', 'memory', '1M']
  const server = startProcess({ file: 'nbdfuse', args: [directory, ...nbdkit] })
  t.teardown(async () => {
    process.kill(server.pid, 'SIGCONT')
    await run('umount', [directory])
    await server.stop()
  })
  const isMounted = () =>
    run('mountpoint', ['-q', directory]).then(...([() => true, () => false] as const))
  for (let tries = 0; tries < 200 && !(await isMounted()); tries++) await sleep(50)
  const tiers = [
    { name: 'dead', kind: 'directory' as const, directory },
    { name: 'well', kind: 'directory' as const, directory: healthy },
  ]
  const guard = new HangGuard()
  const scrape = await scrapeOf(t, { tiers, guard, timeoutMs: 500 })
  const sizes = async () => Object.keys(valuesOf(await tier.collect(scrape), m.tierSpace.size))
  process.kill(server.pid, 'SIGSTOP')
  for (let time = 1; time <= 10; time++) t.strictSame(await sizes(), ['well'])
  t.strictSame(guard.underWay, ['the space of tier dead'], 'one thread waits for it')
  t.equal(scrape.errors.length, 10)
  t.strictSame(scrape.errors[0], ['tier', 'the space of tier dead has not answered in 0.4 s'])
  process.kill(server.pid, 'SIGCONT')
  while (guard.underWay.length > 0) await sleep(5)
  t.match(await sizes(), /well/)
  t.equal(scrape.errors.length, 10, 'it answers again')
})
