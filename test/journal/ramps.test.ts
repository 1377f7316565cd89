import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Journal } from '../../src/journal/journal.ts'
import {
  abandonRamps,
  allRamps,
  hasDensity,
  lastRamp,
  lastRamps,
  recordRamp,
  recordRampEnd,
  recordRampStep,
} from '../../src/journal/ramps.ts'

async function openJournal(t: Test, now: () => number): Promise<Journal> {
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-journal-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const journal = new Journal(join(directory, 'journal.sqlite'), now)
  t.teardown(() => journal.close())
  return journal
}

t.test('a ramp is there before its first step, with what was predicted', async (t) => {
  const clock = { now: 1000 }
  const journal = await openJournal(t, () => clock.now)
  const start = { tier: 'slow', guest: 'small', manifest: { qemu: '7.2' }, prediction: { n: 12 } }
  const id = recordRamp(journal, start)
  t.strictSame(allRamps(journal), [{ id, ...start, startedAt: 1000, steps: [] }])
  t.equal(lastRamp(journal, 'slow', 'small'), undefined, 'it has not ended')

  const figures = { vms: [{ vm: 'a', met: 1 }] }
  const step = { seq: 1, repetition: 1, vms: 1, verdict: 'met', figures } as const
  clock.now = 1060
  recordRampStep(journal, id, step)
  recordRampStep(journal, id, { ...step, seq: 2, vms: 2, verdict: 'void' })
  clock.now = 1100
  recordRampEnd(journal, id, { measured: 1, bound: 'latency' })
  const ended = { measured: 1, bound: 'latency', startedAt: 1000, endedAt: 1100 }
  const steps = [
    { ...step, endedAt: 1060 },
    { ...step, seq: 2, vms: 2, verdict: 'void', endedAt: 1060 },
  ]
  t.strictSame(lastRamp(journal, 'slow', 'small'), { id, ...start, ...ended, steps })
  t.equal(lastRamp(journal, 'slow', 'large'), undefined)
  t.equal(lastRamp(journal, 'fast', 'small'), undefined)
  t.throws(() => recordRampStep(journal, id, step), /UNIQUE/, 'a step is written once')
})

t.test('the newest that ended well is what a tier is known by', async (t) => {
  const journal = await openJournal(t, () => 0)
  const ramp = (tier: string, guest: string) =>
    recordRamp(journal, { tier, guest, manifest: {}, prediction: {} })
  recordRampEnd(journal, ramp('a', 'x'), { measured: 5, bound: 'latency' })
  const newest = ramp('a', 'x')
  recordRampEnd(journal, newest, { measured: 0, bound: 'cpu' })
  recordRampEnd(journal, ramp('a', 'x'), { reason: 'ended by SIGINT' })
  const other = ramp('b', 'x')
  recordRampEnd(journal, other, { measured: 7, bound: 'memory' })
  const stopped = ramp('b', 'x')
  recordRampEnd(journal, stopped, { measured: 2, bound: 'max' })
  recordRampEnd(journal, ramp('c', 'x'), { measured: 2, bound: 'time' })
  const left = ramp('b', 'x')

  t.match(lastRamp(journal, 'a', 'x'), { id: newest, measured: 0, bound: 'cpu' })
  t.match(lastRamp(journal, 'b', 'x'), { id: stopped, measured: 2, bound: 'max' })
  t.strictSame(
    lastRamps(journal).map(({ id }) => id),
    [newest, other],
    'at least so many is no density',
  )
  t.strictSame(
    [newest, other, stopped, left].map((one) => hasDensity(rampBy(journal, one))),
    [true, true, false, false],
  )
  t.strictSame(abandonRamps(journal, 'kvmio was killed'), [{ tier: 'b', guest: 'x' }])
  t.strictSame(abandonRamps(journal, 'again'), [])
  t.match(allRamps(journal).at(-1), { id: left, reason: 'kvmio was killed', endedAt: 0 })
})

function rampBy(journal: Journal, wanted: number) {
  return allRamps(journal).find(({ id }) => id === wanted)!
}
