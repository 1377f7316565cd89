import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { HangGuard } from '../../src/lib/hang-guard.ts'
import { MemorySampler } from '../../src/sampler/memory-sampler.ts'

/** A /proc whose processes take what a test says. */
async function host(t: Test) {
  const procRoot = await mkdtemp(join(tmpdir(), 'kvmio-proc-'))
  t.teardown(() => rm(procRoot, { recursive: true, force: true }))
  const vms: { name: string; pid: number }[] = []
  const errors: string[] = []
  const clock = { now: 0 }
  const sampler = new MemorySampler({
    procRoot,
    guard: new HangGuard(),
    vms: () => vms,
    onError: (source, error) => errors.push(`${source}: ${(error as Error).message}`),
    now: () => clock.now,
  })
  const takes = async (pid: number, text: string) => {
    await mkdir(join(procRoot, String(pid)), { recursive: true })
    await writeFile(join(procRoot, String(pid), 'smaps_rollup'), text)
  }
  return { vms, errors, clock, sampler, takes, procRoot }
}

t.test('each vm at once, and then every 15 seconds', async (t) => {
  const { vms, errors, clock, sampler, takes } = await host(t)
  vms.push({ name: 'a', pid: 1 })
  await takes(1, 'Pss: 100 kB\n')
  t.equal(sampler.of(1), undefined, 'nothing before the first reading')
  await sampler.tick()
  t.strictSame(sampler.of(1), { totalBytes: 102_400 })
  await takes(1, 'Pss: 50 kB\n')
  await takes(2, 'Pss: 7 kB\n')
  vms.push({ name: 'b', pid: 2 })
  clock.now = 14_000
  await sampler.tick()
  t.strictSame([sampler.of(1), sampler.of(2)], [{ totalBytes: 102_400 }, { totalBytes: 7168 }])
  clock.now = 15_000
  await sampler.tick()
  t.strictSame(sampler.of(1), { totalBytes: 51_200 })
  t.strictSame(errors, [])
})

t.test('a reading goes with its process', async (t) => {
  const { vms, errors, clock, sampler, takes, procRoot } = await host(t)
  vms.push({ name: 'a', pid: 1 })
  await takes(1, 'Pss: 100 kB\n')
  await sampler.tick()
  await rm(join(procRoot, '1'), { recursive: true })
  clock.now = 15_000
  await sampler.tick()
  t.equal(sampler.of(1), undefined, 'one that has just ended')
  await takes(1, 'Pss: 100 kB\n')
  clock.now = 30_000
  await sampler.tick()
  vms.length = 0
  await sampler.tick()
  t.equal(sampler.of(1), undefined, 'one that is no longer a vm')
  t.strictSame(errors, [])
})

t.test('what cannot be read is told, and costs the others nothing', async (t) => {
  const { vms, errors, sampler, takes } = await host(t)
  vms.push({ name: 'a', pid: 1 }, { name: 'b', pid: 2 })
  await takes(1, 'nothing of use')
  await takes(2, 'Pss: 7 kB\n')
  await sampler.tick()
  t.match(errors, [/^smaps: .*\/1\/smaps_rollup:1: expected a line "Pss: ...", found none$/])
  t.strictSame([sampler.of(1), sampler.of(2)], [undefined, { totalBytes: 7168 }])
})

t.test('by itself, of this very process', async (t) => {
  const sampler = new MemorySampler({
    procRoot: '/proc',
    guard: new HangGuard(),
    vms: () => [{ name: 'self', pid: process.pid }],
    onError: (source, error) => t.fail(`${source}: ${error}`),
  })
  sampler.start()
  for (let waited = 0; !sampler.of(process.pid) && waited < 10_000; waited += 20) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await sampler.stop()
  t.ok((sampler.of(process.pid)?.totalBytes ?? 0) > 10 * 2 ** 20)
})
