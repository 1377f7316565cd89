import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createProgress } from '../../src/cli/progress.ts'
import type { StudyEvent } from '../../src/study/event.ts'
import { golden } from '../golden.ts'
import { Terminal } from './terminal.ts'

const study = 'demo'
const RUN = { study, case: 'ide-raw', block: 1, run: 7 }

function phase(vm: string, name: string, uptime = 3.21): StudyEvent {
  return { type: 'phase', study, vm, phase: name, uptime }
}

const EVENTS: StudyEvent[] = [
  {
    type: 'study',
    study,
    cases: ['ide-raw', 'ide-qcow2'],
    skipped: [{ case: 'native-writeback', reason: 'drives.root: aio native needs cache none' }],
    vms: 2,
  },
  { type: 'progress', study, done: 0, of: 4, planned: 4 },
  { type: 'waiting', study, for: 'the block of demo that runs now' },
  { type: 'run-started', ...RUN, done: 0, of: 2 },
  phase('demo-ide-raw-1', 'boot', 0),
  phase('demo-ide-raw-2', 'boot', 0),
  phase('demo-ide-raw-1', 'write', 3.456),
  { type: 'second', study, vms: { 'demo-ide-raw-1': 94.6, 'demo-other-1': 5 } },
  { type: 'run-ended', ...RUN, outcome: 'passed', phases: {}, devices: [] },
  { type: 'progress', study, done: 1, of: 4, planned: 4, left: 3725 },
  { type: 'paused', study, cause: 'request', reason: 'until "kvmio resume demo"' },
  { type: 'resumed', study },
  { type: 'run-started', ...RUN, case: 'ide-qcow2', run: 8, done: 1, of: 2 },
  phase('demo-ide-qcow2-1', 'boot', 0),
  {
    type: 'run-ended',
    ...RUN,
    case: 'ide-qcow2',
    run: 8,
    outcome: 'failed',
    reason: 'vm demo-ide-qcow2-1: no space left',
    phases: {},
    devices: [],
  },
  { type: 'progress', study, done: 2, of: 4, planned: 4, left: 2400 },
  { type: 'block-ended', study, block: 1 },
  { type: 'progress', study, done: 2, of: 4, planned: 4, left: 2400 },
  { type: 'block-ended', study, block: 2, void: 'the reference case drifted' },
]

function liveOn(t: Test, terminal: Terminal) {
  const clock = { now: 0 }
  const output = terminal as unknown as NodeJS.WriteStream
  const progress = createProgress(output, () => clock.now)
  t.teardown(() => progress.stop())
  return { progress, clock }
}

t.test('elsewhere: a plain line an event', async (t) => {
  const output = new PassThrough()
  const progress = createProgress(output as unknown as NodeJS.WriteStream)
  for (const event of EVENTS) progress.event(event)
  progress.stop()
  const text = String(output.read())
  t.notMatch(text, '\x1b')
  golden(t, 'progress.txt', text)
})

t.test('on a terminal: a line a vm below what has happened', async (t) => {
  const terminal = new Terminal()
  const { progress, clock } = liveOn(t, terminal)
  for (const event of EVENTS.slice(0, 8)) {
    progress.event(event)
    clock.now += 65_000
  }
  t.strictSame(terminal.screen, [
    'study demo: 2 cases, 2 vms at once',
    '  skipped native-writeback: drives.root: aio native needs cache none',
    'waiting for the block of demo that runs now',
    '[1/2] ide-raw: started (block 1, run 7)',
    '  demo-ide-raw-1  write 1 min 5 s  95 tps',
    '  demo-ide-raw-2  boot 2 min 10 s',
    '  0 of 4 runs done',
  ])
  await sleep(700)
  t.strictSame(
    terminal.screen.slice(4),
    [
      '  demo-ide-raw-1  write 2 min 10 s  95 tps',
      '  demo-ide-raw-2  boot 3 min 15 s',
      '  0 of 4 runs done',
    ],
    'drawn again by itself, in the same place',
  )
})

t.test('no line of a vm is left over', async (t) => {
  const terminal = new Terminal()
  const { progress } = liveOn(t, terminal)
  for (const event of EVENTS) {
    progress.event(event)
    if (event.type === 'run-ended') t.match(terminal.screen.at(-2), `  ${event.case}: `)
  }
  progress.stop()
  t.strictSame(terminal.screen, [
    'study demo: 2 cases, 2 vms at once',
    '  skipped native-writeback: drives.root: aio native needs cache none',
    'waiting for the block of demo that runs now',
    '[1/2] ide-raw: started (block 1, run 7)',
    '  ide-raw: passed',
    'study demo is paused: until "kvmio resume demo"',
    'study demo goes on',
    '[2/2] ide-qcow2: started (block 1, run 8)',
    '  ide-qcow2: failed: vm demo-ide-qcow2-1: no space left',
    'block 1 of demo ended',
    'block 2 of demo counts for nothing: the reference case drifted',
  ])
})

t.test('stopped in the middle, it clears what it drew', async (t) => {
  const terminal = new Terminal()
  const { progress } = liveOn(t, terminal)
  for (const event of EVENTS.slice(3, 8)) progress.event(event)
  progress.stop()
  progress.stop()
  t.strictSame(terminal.screen, ['[1/2] ide-raw: started (block 1, run 7)'])
  await sleep(700)
  t.equal(terminal.screen.length, 1, 'and draws no more')
})

t.test('more vms, or longer names, than the terminal holds', async (t) => {
  const terminal = new Terminal({ columns: 30, rows: 8 })
  const { progress } = liveOn(t, terminal)
  const long = 'a-name-that-is-longer-than-the-terminal-is-wide'
  progress.event({ type: 'run-started', ...RUN, case: 'x', done: 0, of: 2 })
  for (const name of ['boot', 'write']) {
    for (let slot = 1; slot <= 20; slot++) progress.event(phase(`${long}-${slot}`, name))
  }
  t.equal(terminal.screen.at(-1), '  and 14 more')
  progress.event({
    type: 'run-ended',
    ...RUN,
    case: 'x',
    outcome: 'passed',
    phases: {},
    devices: [],
  })
  progress.stop()
  t.strictSame(
    [...terminal.scrolled, ...terminal.screen],
    // The terminal itself wraps what is to stay.
    ['[1/2] x: started (block 1, run', ' 7)', '  x: passed'],
  )
})
