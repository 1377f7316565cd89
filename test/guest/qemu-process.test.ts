import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import {
  connectQmp,
  endingOf,
  endProcess,
  lastLines,
  waitForEnd,
} from '../../src/guest/qemu-process.ts'
import { isSameProcess, readProcStat } from '../../src/source/proc.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import { BINARY, planOf, startPaused, vmsFolder } from './vm-plan.ts'

const lack = (await missingPrograms([BINARY])) ?? false

t.test('qemu starts, answers and ends', { skip: lack }, async (t) => {
  const plan = planOf(await vmsFolder(t), 'demo-1')
  await mkdir(plan.directory)
  await writeFile(join(plan.directory, 'left.log'), 'of the last vm of that name')
  const started = await startPaused(t, plan)
  t.equal((await readProcStat('/proc', started.pid)).startTicks, started.startTicks)
  const qmp = await connectQmp(plan, started, '/proc', 5000)
  t.teardown(() => qmp.close())
  t.match(await qmp.command('query-status'), { status: 'prelaunch' })
  t.notOk((await readdir(plan.directory)).includes('left.log'), 'its folder is fresh')
  t.equal((await stat(plan.directory)).mode & 0o777, 0o700, 'and its own')
  await endProcess(started, '/proc', 5000)
  t.equal(await isSameProcess('/proc', started.pid, started.startTicks), false)
  t.match(
    await endingOf(plan, started),
    /^vm demo-1: qemu exited with code 0(:\n {2}.*signal 15.*)?$/,
  )
})

t.test("qemu that refuses: in qemu's own words", { skip: lack }, async (t) => {
  const vmsDir = await vmsFolder(t)
  const plan = planOf(vmsDir, 'demo-1', { boot: { kernel: '/no/such/kernel', append: '' } })
  const started = await startPaused(t, plan)
  await t.rejects(connectQmp(plan, started, '/proc', 5000), {
    name: 'KvmioError',
    message:
      /^vm demo-1: qemu exited with code 1:\n {2}qemu[\w-]*: could not open kernel file '\/no\/such\/kernel': No such file or directory$/,
  })
})

t.test('qemu that is killed while it comes up', { skip: lack }, async (t) => {
  const plan = planOf(await vmsFolder(t), 'demo-1')
  const started = await startPaused(t, plan)
  process.kill(started.pid, 'SIGKILL')
  await t.rejects(connectQmp(plan, started, '/proc', 5000), {
    message: 'vm demo-1: qemu was killed by SIGKILL',
  })
})

t.test('qemu that is not there', async (t) => {
  const plan = planOf(await vmsFolder(t), 'demo-1')
  await t.rejects(startPaused(t, plan, 'no-such-qemu'), {
    message: 'vm demo-1: qemu did not start: no-such-qemu is not installed',
  })
})

/** Not qemu: a program that does something qemu cannot be made to do. */
async function program(directory: string, script: string): Promise<string> {
  const file = join(directory, '..', 'program')
  await writeFile(file, `#!/bin/sh\n${script}\n`)
  await chmod(file, 0o755)
  return file
}

t.test('a qemu that never opens its socket', async (t) => {
  const vmsDir = await vmsFolder(t)
  const plan = planOf(vmsDir, 'demo-1')
  const started = await startPaused(t, plan, await program(vmsDir, 'exec sleep 60'))
  const path = join(plan.directory, 'qmp.sock')
  await t.rejects(connectQmp(plan, started, '/proc', 300), {
    name: 'DeadlineError',
    message: `vm demo-1: QMP not ready in 0.3 s: vm demo-1: QMP socket ${path}: ENOENT`,
  })
  t.equal(await waitForEnd(started, '/proc', 100), false)
})

t.test('what ignores SIGTERM is killed after the grace time', async (t) => {
  const vmsDir = await vmsFolder(t)
  const plan = planOf(vmsDir, 'demo-1')
  const script = 'trap "" TERM; echo up; while :; do sleep 0.1; done'
  const started = await startPaused(t, plan, await program(vmsDir, script))
  for (let left = 100; left > 0; left--) {
    if ((await readFile(join(plan.directory, 'qemu.log'), 'utf8')) !== '') break
    await sleep(20)
  }
  const start = performance.now()
  await endProcess(started, '/proc', 300)
  const took = performance.now() - start
  t.ok(took >= 280 && took < 3000, `${took} ms`)
  t.equal(await waitForEnd(started, '/proc', 0), true)
})

t.test('another process under the same pid is left alone', async (t) => {
  const vmsDir = await vmsFolder(t)
  const started = await startPaused(
    t,
    planOf(vmsDir, 'demo-1'),
    await program(vmsDir, 'exec sleep 60'),
  )
  const { pid, startTicks } = started
  await endProcess({ pid, startTicks: startTicks - 1 }, '/proc', 100)
  await sleep(100) // a signal would take a moment
  t.equal(await isSameProcess('/proc', pid, startTicks), true)
  t.equal(await waitForEnd({ pid, startTicks: startTicks - 1 }, '/proc', 0), true)
})

t.test('an adopted one whose end nobody saw', async (t) => {
  const vmsDir = await vmsFolder(t)
  const plan = planOf(vmsDir, 'demo-1')
  await mkdir(plan.directory)
  const gone = { pid: 2 ** 22 + 1, startTicks: 1 }
  t.equal(await endingOf(plan, gone), 'vm demo-1: qemu is gone')
  await writeFile(join(plan.directory, 'qemu.log'), 'one\n\r\ntwo\r\n')
  t.equal(await endingOf(plan, gone), 'vm demo-1: qemu is gone:\n  one\n  two')
})

t.test('the last lines of a log', async (t) => {
  const file = join(await vmsFolder(t), 'log')
  t.equal(await lastLines(file), '', 'that is not there')
  await writeFile(file, '\n \n')
  t.equal(await lastLines(file), '')
  await writeFile(file, Array.from({ length: 12 }, (_, index) => `line ${index}\r\n`).join('\n'))
  t.equal(
    await lastLines(file),
    [4, 5, 6, 7, 8, 9, 10, 11].map((line) => `line ${line}`).join('\n  '),
  )
})
