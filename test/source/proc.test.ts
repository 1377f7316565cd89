import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import {
  isSameProcess,
  parseHostCpu,
  parseMeminfo,
  parseProcIo,
  parseProcStat,
  parseProcStatus,
  pollProcStat,
  pollResidentBytes,
  readHostCpu,
  readMeminfo,
  readProcIo,
  readProcStat,
  readProcStatus,
} from '../../src/source/proc.ts'
import { fixture } from './fixtures.ts'

const PROC = fixture('pvm-debian12/proc')

t.test('reads a recorded qemu', async (t) => {
  t.strictSame(await readProcIo(PROC, 4711), {
    readBytes: 8192,
    writtenBytes: 0,
    cancelledBytes: 0,
  })
  t.match(await readProcStat(PROC, 4711), {
    state: 'S',
    ppid: 7995,
    cpuSeconds: 0.01,
    startTicks: 186304,
  })
  t.match(await readProcStatus(PROC, 4711), {
    name: 'qemu-system-x86',
    uid: [0, 0, 0, 0],
    gid: [0, 0, 0, 0],
    residentBytes: 32372 * 1024,
  })
})

t.test('reads the recorded host', async (t) => {
  const memory = await readMeminfo(PROC)
  t.equal(memory.totalBytes, 24684096 * 1024)
  t.ok(memory.availableBytes! > 0 && memory.availableBytes! <= memory.totalBytes)
  t.ok(memory.dirtyBytes >= 0 && memory.writebackBytes >= 0)
  const { cpus, secondsByMode } = await readHostCpu(PROC)
  t.equal(cpus, 2)
  t.strictSame(Object.keys(secondsByMode), [
    'user',
    'nice',
    'system',
    'idle',
    'iowait',
    'irq',
    'softirq',
    'steal',
  ])
})

t.test('reads itself', async (t) => {
  const stat = await readProcStat('/proc', process.pid)
  t.equal(stat.ppid, process.ppid)
  t.ok(stat.cpuSeconds > 0 && stat.cpuSeconds < 600)
  const status = await readProcStatus('/proc', process.pid)
  t.ok((status.residentBytes ?? 0) > 10 * 2 ** 20)
  t.equal(status.uid[1], process.geteuid?.())
  t.ok((await readProcIo('/proc', process.pid)).readBytes >= 0)
})

t.test('who asks again and again gets what is so now', async (t) => {
  const before = await pollProcStat('/proc', process.pid)
  const until = before.cpuSeconds + 0.03
  while (process.cpuUsage().user / 1e6 < until);
  t.ok((await pollProcStat('/proc', process.pid)).cpuSeconds > before.cpuSeconds)
  t.ok((await pollResidentBytes('/proc', process.pid))! > 10 * 2 ** 20)
})

t.test('a name may hold spaces and parentheses', async (t) => {
  const numbers = Array.from({ length: 49 }, (_, index) => index + 4).join(' ')
  const stat = parseProcStat(`12 (a) S (b) c) R ${numbers}\n`)
  t.strictSame(stat, {
    ...{ state: 'R', ppid: 4, majorFaults: 12, threads: 20 },
    ...{ cpuSeconds: (14 + 15) / 100, startTicks: 22 },
  })
})

t.test('a process is the same only with its start time, and while it lives', async (t) => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  t.teardown(() => child.kill('SIGKILL'))
  const pid = child.pid!
  const { startTicks } = await readProcStat('/proc', pid)
  t.equal(await isSameProcess('/proc', pid, startTicks), true)
  t.equal(await isSameProcess('/proc', pid, startTicks + 1), false)
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await ended
  t.equal(await isSameProcess('/proc', pid, startTicks), false)
  t.equal(await isSameProcess('/proc', 2 ** 30, 1), false)
})

t.test('a zombie is not alive', async (t) => {
  // The shell's child ends at once, and exec puts a program in the shell's place that never waits for it.
  const child = spawn('sh', ['-c', 'sleep 0.01 & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const pid = Number(await new Promise((resolve) => child.stdout.once('data', resolve)))
  for (let left = 100; left > 0; left--) {
    if ((await readProcStat('/proc', pid)).state === 'Z') break
    await sleep(20)
  }
  const { state, startTicks } = await readProcStat('/proc', pid)
  t.equal(state, 'Z')
  t.equal((await readProcStatus('/proc', pid)).residentBytes, undefined)
  t.equal(await isSameProcess('/proc', pid, startTicks), false)
})

t.test('the guests of the host are not counted twice', async (t) => {
  const { secondsByMode } = parseHostCpu('cpu  100 0 200 300 4 0 0 8 90 0\ncpu0 1 2\n')
  t.match(secondsByMode, { user: 1, steal: 0.08 })
  t.notOk('guest' in secondsByMode)
})

t.test('an old kernel has fewer modes', async (t) => {
  t.strictSame(parseHostCpu('cpu 100 0 200 300\n').secondsByMode, {
    user: 1,
    nice: 0,
    system: 2,
    idle: 3,
  })
})

t.test('bad text', async (t) => {
  const bad: [mistake: string, parse: () => unknown, message: string][] = [
    [
      'io: a line is missing',
      () => parseProcIo('rchar: 1\nread_bytes: 5\n'),
      '/proc/PID/io:3: expected a line "write_bytes: ...", found none',
    ],
    [
      'io: not a number',
      () => parseProcIo('read_bytes: x\n'),
      '/proc/PID/io:1: read_bytes: expected a whole number, got "x"',
    ],
    [
      'stat: empty',
      () => parseProcStat(''),
      '/proc/PID/stat:1: expected PID (NAME) STATE and numbers, got ""',
    ],
    [
      'stat: cut short',
      () => parseProcStat('12 (sh) S 1 2 3'),
      '/proc/PID/stat:1: field 12 (major faults): expected a whole number, got "nothing"',
    ],
    [
      'status: a user that is no number',
      () => parseProcStatus('Name:\tsh\nUid:\t0\troot\t0\t0\nGid:\t0\n'),
      '/proc/PID/status:2: Uid: expected a whole number, got "root"',
    ],
    [
      'meminfo: a line is missing',
      () => parseMeminfo('MemTotal:       24684096 kB\nMemFree: 1 kB\n'),
      '/proc/meminfo:3: expected a line "Dirty: ...", found none',
    ],
    [
      'meminfo: another unit',
      () => parseMeminfo('MemTotal: 24 MB\n'),
      '/proc/meminfo:1: MemTotal: expected a whole number, got "24 MB"',
    ],
    [
      'stat: no cpu line',
      () => parseHostCpu('cpu0 1 2\n'),
      '/proc/stat:2: expected a line "cpu ...", found none',
    ],
    [
      'stat: a bad mode',
      () => parseHostCpu('cpu  1 2 x 4\n'),
      '/proc/stat:1: field 4 (system): expected a whole number, got "x"',
    ],
  ]
  for (const [mistake, parse, message] of bad) {
    t.throws(parse, { name: 'ParseError', message }, mistake)
  }
})
