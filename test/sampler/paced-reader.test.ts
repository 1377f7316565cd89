import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { HangGuard } from '../../src/lib/hang-guard.ts'
import { run } from '../../src/lib/process.ts'
import { PacedReader } from '../../src/sampler/paced-reader.ts'
import { readProportionalMemory } from '../../src/source/smaps.ts'

/** Items that answer what a test says. */
function reader({ deadlineMs }: { deadlineMs?: number } = {}) {
  const items = new Map<string, () => Promise<number>>()
  const errors: string[] = []
  const asked: string[] = []
  const clock = { now: 0 }
  const paced = new PacedReader({
    source: 'smaps',
    items: () => new Map([...items].map(([key, read]) => [key, { key, read }])),
    read: async ({ key, read }) => {
      asked.push(key)
      return await read()
    },
    paceMs: 15_000,
    deadlineMs,
    onError: (source, error) => errors.push(`${source}: ${(error as Error).message}`),
    now: () => clock.now,
  })
  return { items, errors, asked, clock, paced }
}

t.test('each item at once, and then every 15 seconds', async (t) => {
  const { items, asked, clock, paced } = reader()
  items.set('a', async () => 100)
  t.equal(paced.of('a'), undefined, 'nothing before the first reading')
  await paced.tick()
  t.equal(paced.of('a'), 100)
  items.set('a', async () => 50)
  items.set('b', async () => 7)
  clock.now = 14_000
  await paced.tick()
  t.strictSame([paced.of('a'), paced.of('b')], [100, 7])
  clock.now = 15_000
  await paced.tick()
  t.equal(paced.of('a'), 50)
  t.strictSame(asked, ['a', 'b', 'a'])
})

t.test(
  'less often where all would take more than 0.3 % of a processor, and a new one at once',
  async (t) => {
    const { items, asked, clock, paced } = reader()
    const slow = async () => (clock.now += 50)
    items.set('a', slow)
    items.set('b', slow)
    await paced.tick() // a until 50, b until 100: 100 ms may be had each 33.3 s
    items.set('new', async () => 1)
    clock.now = 33_300
    await paced.tick()
    t.strictSame(asked, ['a', 'b', 'new'])
    clock.now = 33_400
    await paced.tick()
    t.strictSame(asked, ['a', 'b', 'new', 'a', 'b'])
  },
)

t.test('a reading goes with its item', async (t) => {
  const { items, errors, clock, paced } = reader()
  items.set('a', async () => 100)
  await paced.tick()
  items.set('a', async () => {
    throw Object.assign(new Error('gone'), { code: 'ENOENT' })
  })
  clock.now = 15_000
  await paced.tick()
  t.equal(paced.of('a'), undefined, 'one that has just ended')
  items.set('a', async () => 100)
  clock.now = 30_000
  await paced.tick()
  items.clear()
  await paced.tick()
  t.equal(paced.of('a'), undefined, 'one that is no longer there')
  t.strictSame(errors, [])
})

t.test('what cannot be read is told, and costs the others nothing', async (t) => {
  const { items, errors, paced } = reader()
  items.set('a', async () => {
    throw new Error('nothing of use')
  })
  items.set('b', async () => 7)
  await paced.tick()
  t.strictSame(errors, ['smaps: nothing of use'])
  t.strictSame([paced.of('a'), paced.of('b')], [undefined, 7])
})

t.test(
  'one that hangs holds the others up once, and is asked again when it has answered',
  async (t) => {
    const { items, errors, asked, clock, paced } = reader({ deadlineMs: 50 })
    const hanging = Promise.withResolvers<number>()
    items.set('a', () => hanging.promise)
    items.set('b', async () => 7)
    await paced.tick()
    t.strictSame([paced.of('a'), paced.of('b')], [undefined, 7])
    clock.now = 15_000
    await paced.tick()
    t.strictSame(asked, ['a', 'b', 'b'])
    t.strictSame(errors, ['smaps: no answer in 0.05 s'])
    hanging.resolve(1)
    await sleep(0)
    items.set('a', async () => 2)
    clock.now = 30_000
    await paced.tick()
    t.equal(paced.of('a'), 2)
  },
)

t.test('by itself, until it is stopped', async (t) => {
  const { items, asked, paced } = reader()
  items.set('a', async () => 1)
  paced.start()
  while (paced.of('a') === undefined) await sleep(5)
  await paced.stop()
  t.strictSame(asked, ['a'])
})

t.test(
  'more files that block than there are threads: the others are read all the same',
  async (t) => {
    const procRoot = await mkdtemp(join(tmpdir(), 'kvmio-paced-'))
    t.teardown(() => rm(procRoot, { recursive: true, force: true }))
    const blocked = [1, 2, 3, 4, 5, 6]
    for (const pid of [...blocked, 7]) await mkdir(join(procRoot, String(pid)))
    const fifos = blocked.map((pid) => join(procRoot, String(pid), 'smaps_rollup'))
    await run('mkfifo', fifos)
    await writeFile(join(procRoot, '7/smaps_rollup'), 'Pss: 7 kB\n')
    const errors: string[] = []
    const guard = new HangGuard(2)
    const paced = new PacedReader({
      source: 'smaps',
      items: () => new Map([7, ...blocked].map((pid) => [pid, pid])),
      read: (pid) => guard.run(`${pid}`, 60_000, () => readProportionalMemory(procRoot, pid)),
      paceMs: 15_000,
      deadlineMs: 50,
      onError: (source, error) => errors.push(`${source}: ${(error as Error).message}`),
    })
    await paced.tick()
    t.strictSame(paced.of(7), { totalBytes: 7168 })
    t.strictSame(
      errors,
      blocked.map(() => 'smaps: no answer in 0.05 s'),
    )
    t.equal(
      await Promise.race([
        readFile(join(procRoot, '7/smaps_rollup'), 'utf8'),
        sleep(5_000, 'starved'),
      ]),
      'Pss: 7 kB\n',
      'a thread is left',
    )
    // Whoever writes lets the readers go, those that begin only then too.
    for (const fifo of fifos) await writeFile(fifo, 'Pss: 1 kB\n')
    await paced.tick()
  },
)
