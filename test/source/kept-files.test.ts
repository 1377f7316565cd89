import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import t, { type Test } from 'tap'
import { KeptFiles } from '../../src/source/kept-files.ts'

const MINUTE = 60_000

t.test('a file that is read again is opened once, and gives what it says now', (t) => {
  const files = new KeptFiles({ limit: 10 })
  const io = `/proc/${process.pid}/io`
  const characters = () => Number(/rchar: (\d+)/.exec(files.read(io))?.[1])
  const before = characters()
  readFileSync('/proc/self/mountinfo')
  t.ok(characters() > before)
  t.equal(openOf(io).length, 1)
  t.end()
})

t.test('all of a file of many pages', (t) => {
  const files = new KeptFiles({ limit: 10 })
  const file = '/proc/kallsyms' // some megabytes
  t.ok(files.read(file) === readFileSync(file, 'utf8'))
  t.ok(files.read(file) === readFileSync(file, 'utf8'), 'and again')
  t.end()
})

t.test('what its process left is closed, and whether there is another is looked up', async (t) => {
  const files = new KeptFiles({ limit: 10 })
  const child = await sleeping(t)
  const stat = `/proc/${child.pid}/stat`
  t.match(files.read(stat), /\(sleep\)/)
  await end(child)
  t.throws(() => files.read(stat), { code: 'ENOENT' })
  t.equal(files.size, 0)
  t.strictSame(openOf(stat), [])
})

t.test('one that nobody reads any more is closed', async (t) => {
  let now = 0
  const files = new KeptFiles({ limit: 10, now: () => now })
  const child = await sleeping(t)
  const stat = `/proc/${child.pid}/stat`
  files.read(stat)
  await end(child)
  for (; now <= 2 * MINUTE; now += 1_000) files.read('/proc/self/stat')
  t.equal(files.size, 1)
  t.strictSame(openOf(stat), [])
})

t.test('no more stay open than may, and the others are read all the same', (t) => {
  const files = new KeptFiles({ limit: 2 })
  for (let time = 0; time < 3; time++) {
    for (const name of ['stat', 'status', 'io', 'limits']) {
      const file = `/proc/${process.ppid}/${name}`
      t.ok(files.read(file).length > 0)
    }
  }
  t.equal(files.size, 2)
  t.equal(openOf(`/proc/${process.ppid}/`).length, 2)
  t.end()
})

/** What this process has open of these. */
function openOf(prefix: string): string[] {
  const targets = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)]
    } catch {
      return [] // that of the directory itself
    }
  })
  return targets.filter((target) => target.startsWith(prefix))
}

async function sleeping(t: Test): Promise<ChildProcess> {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child, 'spawn')
  return child
}

async function end(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'exit')
}
