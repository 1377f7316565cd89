// Vms that come and go for weeks leave nothing: no series, and no memory.
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import type { Vm } from '../../src/attribution/records.ts'
import { createCollectors } from '../../src/collector/all.ts'
import { collectAll } from '../../src/collector/collector.ts'
import { VmRegistry } from '../../src/guest/registry.ts'
import type { RunningVm } from '../../src/guest/running-vm.ts'
import { HangGuard } from '../../src/lib/hang-guard.ts'
import { createImageReader } from '../../src/sampler/image-reader.ts'
import { createDescriptorReader, createMemoryReader } from '../../src/sampler/process-readers.ts'
import { Sampler } from '../../src/sampler/sampler.ts'
import { Qmp } from '../../src/source/qmp.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import { pageOf } from '../metrics/exposition.ts'
import { drive, hostWith, recordedBlockstats, recordedIostat, scrapeOf, vm } from './host.ts'
import { endpoint, pausedQemu } from './qemus.ts'

const skip = (await missingPrograms(['qemu-system-x86_64'])) ?? false

const AT_ONCE = 100
const FIRST = 2_000
const ALL = 10_000
/** 131 bytes for each of 8,000 vms; what the sampler alone keeps of one that runs is 800. */
const NOISE_BYTES = 2 ** 20
/** What a host that is busy with other tests makes late. */
const LATE = /no answer to QMP|has not answered|did not end/

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

t.test('10,000 vms leave neither a series nor memory', { skip, timeout: 400_000 }, async (t) => {
  const host = await hostOf(t)
  const heapAfter = async (count: number) => {
    while (host.count() < count) await host.comeAndGo()
    // What is only just unreachable may hold on to more: sockets that are closing.
    for (let time = 0; time < 5; time++) {
      await sleep(20)
      collectGarbage()
    }
    return process.memoryUsage().heapUsed
  }
  const first = await heapAfter(FIRST)
  const all = await heapAfter(ALL)
  const grown = all - first
  t.ok(grown < NOISE_BYTES, `${FIRST} vms: ${first} bytes, ${ALL} vms: ${all}, ${grown} more`)
  const page = await host.page()
  const names = new Set([...page.matchAll(/[{,]vm="([^"]*)"/g)].map(([, name]) => name))
  t.strictSame([...names].sort(), ['stays-0', 'stays-1'], 'the real ones are still there')
  t.strictSame(
    host.errors.filter((error) => !LATE.test(error)),
    [],
  )
})

/** Registry, readers and collectors as `serve` has them, two real qemus that stay, and vms that do not. */
async function hostOf(t: Test) {
  const root = await hostWith(t, {})
  const { path } = await endpoint(t, await recordedBlockstats('running'))
  const registry = new VmRegistry()
  const errors: string[] = []
  const clock = { now: 0 }
  const vms = () => registry.records()
  const tiers = () => [{ name: 'local', kind: 'directory' as const, device: 'vda' }]
  const options = {
    procRoot: join(root, 'proc'),
    sysRoot: join(root, 'sys'),
    hierarchy: { version: 1 as const, root: join(root, 'cgroup/blkio') },
    guard: new HangGuard(),
    onError: (source: string, error: unknown) =>
      errors.push(`${source}: ${(error as Error).message}`),
    now: () => clock.now,
    ...{ vms, tiers },
  }
  const image = join(root, 'root.raw')
  await writeFile(image, '')
  const more = {
    drives: [drive('root', { format: 'raw', backend: { kind: 'file', path: image } })],
  }
  const sampler = new Sampler(options)
  const memory = createMemoryReader(options)
  const descriptors = createDescriptorReader(options)
  const images = createImageReader(options)
  const iostat = await recordedIostat()
  const scrape = await scrapeOf(t, { root, sampler, memory, descriptors, images, iostat })
  const collectors = createCollectors()
  let pids = 10_000
  /** Each has a pid of its own, with the files of the one that was recorded. */
  const start = async (name: string, qmp: Qmp) => {
    const pid = pids++
    await symlink('4711', join(options.procRoot, String(pid)))
    const record = vm(name, { ...more, pid, qmp })
    const running = { plan: { name }, identity: identityOf(record), record }
    registry.add(running as unknown as RunningVm)
    return record
  }
  await mkdir(join(options.procRoot, '4711/fd'), { recursive: true })
  await writeFile(join(options.procRoot, '4711/limits'), 'Max open files  1024  4096  files\n')
  for (const name of ['stays-0', 'stays-1']) {
    const { qmp } = await pausedQemu(t, name)
    await start(name, qmp)
  }
  const look = async () => {
    for (const reader of [sampler, memory, descriptors, images]) {
      clock.now += 1_000
      await reader.tick()
    }
    const known = registry.known()
    const samples = await collectAll(collectors, { ...scrape, vms: vms(), knownVms: known })
    for (const [collector, message] of scrape.errors) errors.push(`${collector}: ${message}`)
    return pageOf(samples, (series) => errors.push(`twice: ${series}`))
  }
  let count = 0
  return {
    errors,
    count: () => count,
    page: look,
    async comeAndGo() {
      const batch = Array.from({ length: AT_ONCE }, () => `comes-${count++}`)
      const come = batch.map(async (name) => {
        return await start(name, await Qmp.connect({ name: `vm ${name}`, path }))
      })
      const started = await Promise.all(come)
      await sampler.tick()
      await look()
      for (const one of started) {
        await sampler.takeLast(one)
        registry.ended(identityOf(one), 'passed')
        one.qmp?.close()
      }
      registry.forget('demo')
    },
  }
}

function identityOf({ name, study, manager, accelerator, drives }: Vm) {
  return { name, study, manager, accelerator, drives }
}
