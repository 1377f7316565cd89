import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { markUsed, pruneImages } from '../../../src/guest/systems/retention.ts'

const DAY = 86_400
const NOW = 100 * DAY
const MIB = 2 ** 20
const HASH = '0123456789abcdef'

/** A cache with a system for each of these days since it was used, 1 MiB each, and what is none of them. */
async function cacheWith(t: Test, unused: Record<string, number>) {
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-cache-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  for (const [name, days] of Object.entries({ ...unused, debs: 99, installed: 99, notes: 99 })) {
    const folder = join(directory, name)
    await mkdir(folder)
    await writeFile(join(folder, 'disk.img'), Buffer.alloc(MIB, 'x'))
    await utimes(folder, NOW - days * DAY, NOW - days * DAY)
  }
  const left = async () => (await readdir(directory)).filter((name) => name.includes(HASH)).sort()
  return { directory, left }
}

const SYSTEMS = { [`appliance-${HASH}`]: 0.5, [`debian-${HASH}`]: 20, [`packages-${HASH}`]: 50 }

t.test('what no run has used for too long goes', async (t) => {
  const { directory, left } = await cacheWith(t, SYSTEMS)
  t.strictSame(await pruneImages(directory, {}, NOW), [], 'without a limit nothing does')
  t.strictSame(await pruneImages(directory, { age: 30 * DAY }, NOW), [`packages-${HASH}`])
  t.strictSame(await left(), [`appliance-${HASH}`, `debian-${HASH}`])
  t.equal((await readdir(directory)).length, 5, 'and nothing that is none of them')
  await markUsed(join(directory, `debian-${HASH}`))
  const usedAt = (await stat(join(directory, `debian-${HASH}`))).mtimeMs / 1000
  t.ok(usedAt > NOW, 'use is noted')
})

t.test('one that may only be read is used all the same', async (t) => {
  await t.resolves(markUsed('/proc/1'), 'nobody may set the times of what is in procfs')
  await t.rejects(markUsed(join(t.testdir({}), 'none')), { code: 'ENOENT' })
})

t.test('while they take too much, those that were used longest ago go', async (t) => {
  const { directory, left } = await cacheWith(t, SYSTEMS)
  t.strictSame(await pruneImages(directory, { size: 2.5 * MIB }, NOW), [`packages-${HASH}`])
  t.strictSame(await pruneImages(directory, { size: 0 }, NOW), [`debian-${HASH}`])
  t.strictSame(await left(), [`appliance-${HASH}`], 'one that is in use stays')
  t.strictSame(await pruneImages(join(directory, 'none'), { size: 0 }, NOW), [])
})
