import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import {
  pidExists,
  type RunningProcess,
  run,
  startDetached,
  startProcess,
} from '../../src/lib/process.ts'
import { isSameProcess, readProcStat } from '../../src/source/proc.ts'

/** Node itself, as a program that does anything. */
function node(script: string, ...args: string[]) {
  return { file: process.execPath, args: ['-e', script, ...args] }
}

async function runNode(script: string, options: Parameters<typeof run>[2] = {}) {
  const { file, args } = node(script)
  return await run(file, args, { name: 'the program', ...options })
}

async function folder(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-process-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}

async function until(is: () => unknown, what: string): Promise<void> {
  for (let left = 250; left > 0; left--) {
    if (await is()) return
    await sleep(20)
  }
  throw new Error(`waited 5 s for ${what}`)
}

t.test('run gives what was printed', async (t) => {
  t.equal(await runNode('console.log("a"); console.log("b"); console.error("c")'), 'a\nb')
  t.equal(await runNode(''), '')
})

t.test('run hands over input, a folder and the C locale', async (t) => {
  t.equal(await run('cat', [], { input: 'a\nb' }), 'a\nb')
  t.equal(await run('cat', [], { input: new Uint8Array([104, 105]) }), 'hi')
  t.equal(await run('pwd', [], { cwd: '/usr' }), '/usr')
  t.equal(await runNode('console.log(process.env.LC_ALL)'), 'C')
  t.equal(await run('true', [], { input: 'x'.repeat(2 ** 20) }), '', 'who does not listen may')
})

t.test('run says how a program failed', async (t) => {
  const table: [what: string, script: string, message: string][] = [
    [
      'with its last words',
      'for (let n = 1; n <= 20; n++) console.error("line " + n); process.exitCode = 3',
      `the program exited with code 3:\n  ${[13, 14, 15, 16, 17, 18, 19, 20].map((n) => `line ${n}`).join('\n  ')}`,
    ],
    [
      'or else what it printed',
      'console.log("usage: x"); process.exitCode = 1',
      'the program exited with code 1:\n  usage: x',
    ],
    ['without a word', 'process.exitCode = 7', 'the program exited with code 7'],
    [
      'by a signal',
      'console.error("going"); process.kill(process.pid, "SIGKILL")',
      'the program was killed by SIGKILL:\n  going',
    ],
  ]
  for (const [what, script, message] of table) {
    t.test(what, (t) => t.rejects(runNode(script), { name: 'ProcessError', message }))
  }
})

t.test('run: a program that is not there, may not be run, or has no folder', async (t) => {
  await t.rejects(run('no-such-program', []), {
    message: 'no-such-program did not start: no-such-program is not installed',
  })
  await t.rejects(run('no-such-program', [], { name: 'mkfs' }), {
    message: 'mkfs did not start: no-such-program is not installed',
  })
  await t.rejects(run('/etc/passwd', []), {
    message: '/etc/passwd did not start: cannot run /etc/passwd (EACCES)',
  })
  await t.rejects(run('true', [], { cwd: '/no/such/folder' }), { name: 'ProcessError' })
})

t.test('run ends what takes too long, and what is called off', async (t) => {
  const forever = 'console.error("waiting"); setInterval(() => {}, 1000)'
  await t.rejects(runNode(forever, { timeoutMs: 700 }), {
    message: /^the program did not end in 0\.7 s(:\n {2}waiting)?$/,
  })
  const abort = new AbortController()
  const running = runNode(forever, { signal: abort.signal })
  abort.abort()
  await t.rejects(running, { message: /^the program was killed by SIGTERM/ })
})

t.test('nothing passes through a shell', async (t) => {
  const words = ['$(id)', '; echo x', '`id`', '"\'', '*', '$HOME', 'a\nb', '-n', '', '~', '&& ls']
  const print = 'process.stdout.write(JSON.stringify(process.argv.slice(1)))'
  const args = ['-e', print, '--', ...words]
  t.strictSame(JSON.parse(await run(process.execPath, args)), words)
  await using child = startProcess({ file: process.execPath, args })
  t.strictSame(JSON.parse(await textOf(child.stdout)), words)
  const directory = await folder(t)
  const output = await open(join(directory, 'out'), 'w')
  stayAlive(t)
  const detached = { file: process.execPath, args, cwd: directory, output: output.fd }
  t.equal(await (await startDetached(detached)).ended, 'exited with code 0')
  await output.close()
  t.strictSame(JSON.parse(await readFile(join(directory, 'out'), 'utf8')), words)
})

t.test('a long-lived child prints and is stopped', async (t) => {
  const child = startProcess(node('console.log("up"); setInterval(() => {}, 1000)'))
  t.teardown(() => child.stop())
  t.equal(await firstOf(child), 'up\n')
  t.ok(pidExists(child.pid))
  await child.stop()
  t.notOk(pidExists(child.pid))
  await t.resolves(child.done, 'to be stopped is no failure')
  await child.stop()
})

t.test('one that ends by itself', async (t) => {
  const good = startProcess(node(''))
  await t.resolves(good.done)
  const bad = startProcess({
    name: 'iostat',
    ...node('for (let n = 1; n <= 9; n++) console.error(n); process.exitCode = 2'),
  })
  const message = `iostat exited with code 2:\n  ${[2, 3, 4, 5, 6, 7, 8, 9].join('\n  ')}`
  await t.rejects(bad.done, { name: 'ProcessError', message })
  const killed = startProcess({ name: 'iostat', ...node('setInterval(() => {}, 1000)') })
  process.kill(killed.pid, 'SIGKILL')
  await t.rejects(killed.done, { message: 'iostat was killed by SIGKILL' })
})

t.test('one that is not there', async (t) => {
  const child = startProcess({ file: 'no-such-program', args: [] })
  await t.rejects(child.done, {
    message: 'no-such-program did not start: no-such-program is not installed',
  })
  t.equal(child.pid, 0)
})

for (const stopSignal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`one that ignores ${stopSignal} is killed after its grace`, async (t) => {
    const script = `process.on('${stopSignal}', () => {}); console.log('up'); setInterval(() => {}, 1000)`
    const child = startProcess({ ...node(script), stopSignal, graceMs: 300 })
    t.teardown(() => killIfThere(child.pid))
    await firstOf(child)
    const start = performance.now()
    await child.stop()
    const took = performance.now() - start
    t.ok(took >= 250 && took < 3000, `${took} ms`)
    t.notOk(pidExists(child.pid))
  })
}

t.test('the stop signal is the one that was asked for', async (t) => {
  const script =
    'process.on("SIGINT", () => { console.log("int"); process.exit() }); console.log("up"); setInterval(() => {}, 1000)'
  const child = startProcess({ ...node(script), stopSignal: 'SIGINT' })
  const words: string[] = []
  const reading = (async () => {
    for await (const chunk of child.stdout) words.push(String(chunk))
  })()
  await until(() => words.length > 0, 'its first word')
  await child.stop()
  await reading
  t.strictSame(words, ['up\n', 'int\n'])
})

t.test('await using ends it, whatever happens', async (t) => {
  let pid = 0
  const work = async () => {
    await using child = startProcess(node('setInterval(() => {}, 1000)'))
    pid = child.pid
    throw new Error('the work failed')
  }
  await t.rejects(work(), { message: 'the work failed' })
  t.notOk(pidExists(pid))
})

t.test('a child ends with its parent', async (t) => {
  const { parent, pid } = await parentOf(t, 'child')
  parent.kill('SIGTERM')
  await once(parent, 'exit')
  await until(() => !pidExists(pid), 'its end')
})

t.test('a detached one goes on when its parent is killed', async (t) => {
  const { parent, pid } = await parentOf(t, 'detached')
  const { startTicks } = await readProcStat('/proc', pid)
  t.teardown(() => killIfThere(pid))
  process.kill(-parent.pid!, 'SIGKILL') // its whole group, as a terminal does with Ctrl-C
  await once(parent, 'exit')
  await sleep(200)
  t.ok(await isSameProcess('/proc', pid, startTicks), 'the same process')
  process.kill(pid, 'SIGKILL')
  await until(async () => !(await isSameProcess('/proc', pid, startTicks)), 'its end')
})

t.test('a detached one tells how it ended, while its parent lives', async (t) => {
  const directory = await folder(t)
  const output = await open(join(directory, 'out'), 'w')
  t.teardown(() => output.close())
  stayAlive(t)
  const start = (script: string) =>
    startDetached({ ...node(script), cwd: directory, output: output.fd })
  t.equal(await (await start('process.exitCode = 4')).ended, 'exited with code 4')
  t.equal(await (await start('process.kill(process.pid, "SIGSYS")')).ended, 'was killed by SIGSYS')
  t.equal(await (await start('console.log(1); console.error(2)')).ended, 'exited with code 0')
  t.equal(await readFile(join(directory, 'out'), 'utf8'), '1\n2\n')
  const missing = { name: 'vm a: qemu', file: 'no-such-qemu', args: [], cwd: directory }
  await t.rejects(startDetached({ ...missing, output: output.fd }), {
    name: 'ProcessError',
    message: 'vm a: qemu did not start: no-such-qemu is not installed',
  })
})

t.test('which processes there are', async (t) => {
  t.equal(pidExists(process.pid), true)
  t.equal(pidExists(1), true, 'also of another user')
  t.equal(pidExists(2 ** 22 + 1), false, 'beyond the largest pid')
})

/** A Node that starts one long-lived process, and the pid of that. */
async function parentOf(t: Test, kind: 'child' | 'detached') {
  const script = join(import.meta.dirname, 'parent.ts')
  const parent = spawn(process.execPath, [script, kind], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true, // a group of its own
  })
  t.teardown(() => parent.kill('SIGKILL'))
  const [line] = await once(parent.stdout, 'data')
  return { parent, pid: Number(line) }
}

/** A detached process does not keep this one going, and so neither does waiting for its end. */
function stayAlive(t: Test): void {
  const timer = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(timer))
}

function killIfThere(pid: number): void {
  if (pidExists(pid)) process.kill(pid, 'SIGKILL')
}

async function firstOf({ stdout }: RunningProcess): Promise<string> {
  for await (const chunk of stdout) return String(chunk)
  throw new Error('ended without a word')
}

async function textOf(stdout: AsyncIterable<Uint8Array>): Promise<string> {
  let text = ''
  for await (const chunk of stdout) text += String(chunk)
  return text
}
