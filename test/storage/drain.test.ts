import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { drain, syncAll } from '../../src/storage/drain.ts'

const { signal } = new AbortController()

/** A host with so much on its way to the disk. */
async function hostWith(t: Test) {
  const procRoot = await mkdtemp(join(tmpdir(), 'kvmio-drain-'))
  t.teardown(() => rm(procRoot, { recursive: true, force: true }))
  const set = async (dirtyKb: number, writebackKb: number) => {
    const text = `MemTotal: 1000 kB\nMemAvailable: 500 kB\nDirty: ${dirtyKb} kB\nWriteback: ${writebackKb} kB\n`
    await writeFile(join(procRoot, 'next'), text)
    await rename(join(procRoot, 'next'), join(procRoot, 'meminfo')) // never half of it
  }
  return { procRoot, set }
}

t.test('waits until Dirty and Writeback together are below 1 MiB', async (t) => {
  const { procRoot, set } = await hostWith(t)
  await set(2000, 0)
  let done = false
  const draining = drain({ directories: [], hostCached: true, procRoot, signal }).then(() => {
    done = true
  })
  for (const [dirty, writeback] of [
    [0, 2000],
    [600, 600],
  ] as const) {
    await sleep(150)
    await set(dirty, writeback)
    await sleep(150)
    t.equal(done, false)
  }
  await set(500, 500)
  await draining
})

t.test('what others keep writing is not waited for, what becomes less is', async (t) => {
  const { procRoot, set } = await hostWith(t)
  let dirty = 9000
  await set(dirty, 0)
  let done = false
  const draining = drain({ directories: [], hostCached: true, procRoot, signal }).then(() => {
    done = true
  })
  for (let step = 0; step < 8; step++) {
    await sleep(500)
    dirty -= 500
    await set(dirty, 0)
  }
  t.equal(done, false, 'after four seconds in which it became less')
  await draining
  t.ok(dirty > 1024, 'with more than the floor left')
})

t.test('past the page cache there is nothing to wait for', async (t) => {
  const { procRoot, set } = await hostWith(t)
  await set(9e6, 0)
  await drain({ directories: [], hostCached: false, procRoot, signal })
})

t.test('a signal ends the waiting', async (t) => {
  const { procRoot, set } = await hostWith(t)
  await set(9e6, 0)
  const abort = new AbortController()
  const draining = drain({ directories: [], hostCached: true, procRoot, signal: abort.signal })
  await sleep(150)
  abort.abort()
  await draining
})

t.test('each tier is synced', async (t) => {
  const { procRoot } = await hostWith(t)
  await syncAll({ directories: [procRoot, tmpdir()] })
  const gone = join(procRoot, 'gone')
  await t.rejects(syncAll({ directories: [gone] }), {
    name: 'ProcessError',
    message: new RegExp(
      `^sync exited with code 1:\n {2}sync: .*${gone}.*No such file or directory$`,
    ),
  })
})
