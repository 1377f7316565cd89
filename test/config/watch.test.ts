import { appendFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { loadConfig } from '../../src/config/load.ts'
import { ConfigHolder, watchConfig } from '../../src/config/watch.ts'
import { createLog, silentLog } from '../../src/lib/log.ts'

const PATIENCE_MS = 5_000
/** Longer than the watcher waits for a write to end. */
const QUIET_MS = 400

async function watching(t: Test, file: string) {
  const controller = new AbortController()
  t.teardown(() => controller.abort())
  let changes = 0
  await watchConfig(file, () => changes++, { signal: controller.signal })
  return {
    end: () => controller.abort(),
    /** How many changes were seen after the write. */
    async changesAfter(write: () => Promise<void>, patienceMs = PATIENCE_MS): Promise<number> {
      const before = changes
      await write()
      const deadline = Date.now() + patienceMs
      while (changes === before && Date.now() < deadline) await sleep(20)
      await sleep(QUIET_MS)
      return changes - before
    },
  }
}

t.test('a new text is seen, however it is written', async (t) => {
  const folder = t.testdir({ 'kvmio.yaml': 'state: a\n' })
  const file = join(folder, 'kvmio.yaml')
  const { changesAfter, end } = await watching(t, file)
  const over = async (text: string) => {
    await writeFile(`${file}.new`, text)
    await rename(`${file}.new`, file)
  }
  t.equal(await changesAfter(() => writeFile(file, 'state: bb\n')), 1, 'in place')
  t.equal(await changesAfter(() => over('state: ccc\n')), 1, 'renamed over')
  t.equal(await changesAfter(() => over('state: dddd\n')), 1, 'renamed over again')
  t.equal(await changesAfter(() => writeFile(file, 'state: e\n')), 1, 'in place after that')
  const inPieces = async () => {
    for (const piece of ['qemu:\n', '  user:', ' 1000\n']) {
      await appendFile(file, piece)
      await sleep(30)
    }
  }
  t.equal(await changesAfter(inPieces), 1, 'in pieces: once, at the end')
  const anew = async () => {
    await rm(file)
    await sleep(QUIET_MS)
    await writeFile(file, 'state: anew\n')
  }
  t.equal(await changesAfter(anew), 1, 'removed and written anew')
  t.equal(
    await changesAfter(() => writeFile(join(folder, 'other.yaml'), ''), 500),
    0,
    'another file',
  )
  end()
  t.equal(await changesAfter(() => writeFile(file, 'state: late\n'), 500), 0, 'after the end')
})

t.test('a link that is turned to another file is seen', async (t) => {
  const folder = t.testdir({ 'one.yaml': 'state: one\n', 'two.yaml': 'state: two, longer\n' })
  const file = join(folder, 'kvmio.yaml')
  await symlink('one.yaml', file)
  const { changesAfter } = await watching(t, file)
  const turn = async () => {
    await symlink('two.yaml', `${file}.new`)
    await rename(`${file}.new`, file)
  }
  t.ok((await changesAfter(turn)) > 0)
})

t.test('a watch that was ended before it began', async (t) => {
  const file = join(t.testdir({ 'kvmio.yaml': '' }), 'kvmio.yaml')
  await watchConfig(file, () => t.fail('seen'), { signal: AbortSignal.abort() })
  await writeFile(file, 'state: a\n')
  await sleep(QUIET_MS)
})

t.test('a good config replaces the present one, a bad one does not', async (t) => {
  const target = (ms: number) =>
    `tiers: { a: { directory: images, target: { latency: ${ms}ms } } }\n`
  const folder = t.testdir({ 'kvmio.yaml': target(1) })
  const file = join(folder, 'kvmio.yaml')
  let time = 5_000
  const first = await loadConfig(file)
  const holder = new ConfigHolder(first, { log: silentLog, now: () => time })
  t.equal(holder.current, first)
  t.match(holder, { lastReloadSuccessful: true, lastReloadTime: 5 })

  time = 6_000
  await writeFile(file, target(2))
  await holder.reload()
  const second = holder.current
  t.equal(second.tiers.a?.target?.latency, 0.002)
  t.match(holder, { lastReloadSuccessful: true, lastReloadTime: 6 })

  time = 7_000
  await writeFile(file, 'qemu: { user: me }\n')
  const expected = 'expected a whole number from 1 to 2147483648, got "me"'
  const error = await holder.reload().catch((error) => error)
  t.equal(error.message, `${file}:1:15: qemu.user: ${expected}`)
  t.equal(holder.current, second)
  t.match(holder, { lastReloadSuccessful: false, lastReloadTime: 6 })

  await writeFile(file, 'state: elsewhere\n')
  const moved = await holder.reload().catch((error) => error)
  t.equal(
    moved.message,
    `${file}:1:8: state: expected ${folder}/.kvmio as long as kvmio runs, got ${folder}/elsewhere; start it again to change it`,
  )
  t.equal(holder.current, second)

  const fixed: Record<string, string> = {
    'qemu: { user: 5 }': '1:15: qemu.user: expected 61177 as long as kvmio runs, got 5',
    'qemu: { binary: other }':
      '1:17: qemu.binary: expected qemu-system-x86_64 as long as kvmio runs, got other',
    'tiers: { a: { directory: b } }': `1:26: tiers.a.directory: expected ${folder}/images as long as kvmio runs, got ${folder}/b`,
    'tiers: { a: { filesystem: { size: 1GiB } } }': `1:10: tiers.a.directory: expected ${folder}/images as long as kvmio runs, got none`,
  }
  for (const [text, message] of Object.entries(fixed)) {
    await writeFile(file, text)
    const error = await holder.reload().catch((error) => error)
    t.equal(error.problems?.[0], `${file}:${message}; start it again to change it`)
  }

  time = 8_000
  await writeFile(file, target(3))
  await Promise.all([holder.reload(), holder.reload()])
  t.equal(holder.current.tiers.a?.target?.latency, 0.003)
  t.match(holder, { lastReloadSuccessful: true, lastReloadTime: 8 })
})

t.test('what happened stands in the log', async (t) => {
  const file = join(t.testdir({ 'kvmio.yaml': '' }), 'kvmio.yaml')
  await writeFile(file, '{}\n')
  const lines: string[] = []
  const log = createLog({
    level: 'info',
    format: 'json',
    destination: { write: (line) => void lines.push(line) },
  })
  const holder = new ConfigHolder(await loadConfig(file), { log })
  await holder.reload()
  await rm(file)
  await t.rejects(holder.reload())
  const logged = lines.map((line) => JSON.parse(line))
  t.match(logged, [
    { level: 30, msg: 'config taken over', file },
    {
      level: 50,
      msg: 'config not taken over',
      problems: `${file}: no such file; pass --config.file or start in the folder that has one`,
    },
  ])
})
