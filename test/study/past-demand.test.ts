import { join } from 'node:path'
import { type Test, test } from 'tap'
import { Journal } from '../../src/journal/journal.ts'
import { recordRamp, recordRampEnd, recordRampStep } from '../../src/journal/ramps.ts'
import { recordEnd, recordStart } from '../../src/journal/runs.ts'
import { recordSamples } from '../../src/journal/samples.ts'
import { openBlock, recordStudy } from '../../src/journal/studies.ts'
import { vmBooted, vmEnded, vmPhases } from '../../src/journal/vms.ts'
import { pastDemand } from '../../src/study/past-demand.ts'

const MIB = 2 ** 20
const question = { guest: 'student', tier: 'disk', capacity: { classes: [], rated: 100 }, cpus: 4 }

interface RunText {
  guest?: string
  tier?: string
  cache?: string
  outcome?: 'passed' | 'failed'
  cpuBusy?: number
  cpuSeconds?: number
  takenMib?: number
  leftMib?: number
  /** Transactions of each vm in the seconds from 1; the boot is 3 s, and the last 2 are the shutdown. */
  vms: readonly (readonly number[])[]
}

function journalFor(t: Test): Journal {
  const journal = new Journal(join(t.testdir({}), 'journal.sqlite'), () => 1000)
  t.teardown(() => journal.close())
  return journal
}

function addRun(
  journal: Journal,
  {
    guest = 'student',
    tier = 'disk',
    cache = 'none',
    outcome = 'passed',
    cpuBusy,
    cpuSeconds,
    takenMib = 100,
    leftMib,
    vms,
  }: RunText,
): void {
  const study = recordStudy(journal, { name: 'demo', hash: 'hash', config: {}, seed: 1 })
  const block = openBlock(journal, study.id)
  const plan = { guest, drives: [{ name: 'root', tier, cache }] }
  const names = vms.map((_, index) => `demo-${index + 1}`)
  const { id, vmIds } = recordStart(journal, {
    ...{ blockId: block.id, caseName: 'only', factors: {}, manifest: {} },
    vms: names.map((name) => ({ name, plan })),
  })
  for (const [index, vmId] of vmIds.entries()) {
    const samples = vms[index]!
    vmBooted(journal, vmId, 1000)
    vmPhases(journal, vmId, 1, [
      { seq: 1, phase: 'boot', uptime: 0 },
      { seq: 2, phase: 'script', uptime: 3 },
      { seq: 3, phase: 'shutdown', uptime: samples.length - 2 },
      { seq: 4, phase: 'off', uptime: samples.length },
    ])
    const balloon = leftMib === undefined ? undefined : { actualBytes: leftMib * MIB }
    const memory = { process: { totalBytes: takenMib * MIB }, ...(balloon && { balloon }) }
    vmEnded(journal, vmId, 'passed', undefined, { memory, cpuSeconds })
    recordSamples(
      journal,
      id,
      samples.map((transactions, second) => {
        return { kind: 'vm', name: names[index]!, at: second + 1, transactions }
      }),
    )
  }
  // Half of the transactions that are counted are reads, and a tenth are flushes.
  const counts = vmIds.map((vmId) => {
    return { layer: 'qemu', vmId, name: 'root', reads: 50, writes: 40, flushes: 10 } as const
  })
  const findings = cpuBusy === undefined ? {} : { cpu: { busy: cpuBusy } }
  recordEnd(journal, id, { outcome, counts, findings })
}

/** As many seconds of work, between a boot and a shutdown. */
function life(work: readonly number[], boot = 20): number[] {
  return [boot, boot, boot, ...work, 99, 99]
}

const busy = life([10, 0, 10, 0, 10, 0, 10, 0, 10, 0])
const idle = life([0, 10, 0, 10, 0, 10, 0, 10, 0, 10])

test('a journal without a run knows nothing', async (t) => {
  t.strictSame(pastDemand(journalFor(t), question), {})
})

test('what one vm asks, from the end of its boot to the beginning of its shutdown', async (t) => {
  const journal = journalFor(t)
  addRun(journal, { vms: [busy], cpuBusy: 0.25, takenMib: 120 })
  const { demand, mix, seen, boot, memory, cpu } = pastDemand(journal, question)
  // 0.9 of the transactions cost 10 ms each, a flush nothing.
  t.ok(Math.abs(demand!.mean - 0.045) < 1e-12, String(demand!.mean))
  t.ok(Math.abs(demand!.sigma - 0.045 * Math.sqrt(10 / 9)) < 1e-12, String(demand!.sigma))
  t.equal(demand!.correlation, 0)
  t.strictSame(mix, { 'random-read': 50, 'random-write': 30, 'synced-write': 10 })
  t.strictSame(seen, { from: 'runs', count: 1, vms: [1, 1], seconds: 10 })
  t.ok(Math.abs(boot!.work! - 0.54) < 1e-12, `boot: ${boot!.work}`)
  t.equal(boot!.demand, undefined, 'what a boot is seen to take is not what it needs')
  t.strictSame(memory, { takenBytes: 120 * MIB })
  t.equal(cpu, 1)
})

test('vms that are busy in the same seconds, or in others', async (t) => {
  for (const [vms, correlation] of [
    [[busy, busy], 1],
    [[busy, idle], 0],
    [[busy, busy, busy], 1],
  ] as const) {
    const journal = journalFor(t)
    addRun(journal, { vms })
    const { demand } = pastDemand(journal, question)
    t.ok(Math.abs(demand!.correlation - correlation) < 1e-9, String(demand!.correlation))
  }
})

test('runs that say nothing of it', async (t) => {
  const rows: [string, Partial<RunText>][] = [
    ['another guest', { guest: 'teacher' }],
    ['another tier', { tier: 'local' }],
    ['the page cache stands between', { cache: 'writeback' }],
    ['it failed', { outcome: 'failed' }],
    ['each of five asks for what the others leave', { vms: [busy, busy, busy, busy, busy] }],
    ['it is short', { vms: [life([10, 0, 10])] }],
    ['no second of it is left', { vms: [[]] }],
  ]
  for (const [why, more] of rows) {
    const journal = journalFor(t)
    addRun(journal, { vms: [busy], ...more })
    t.equal(pastDemand(journal, question).demand, undefined, why)
  }
  const journal = journalFor(t)
  addRun(journal, { vms: [busy] })
  const uncosted = { ...question, capacity: { classes: [] } }
  t.equal(pastDemand(journal, uncosted).demand, undefined, 'nobody knows what a transaction costs')
})

test('what a balloon has left, and the most that was taken', async (t) => {
  const journal = journalFor(t)
  addRun(journal, { vms: [busy], takenMib: 150, leftMib: 128 })
  addRun(journal, { vms: [busy], takenMib: 90, leftMib: 96 })
  t.strictSame(pastDemand(journal, question).memory, {
    takenBytes: 150 * MIB,
    leftBytes: 128 * MIB,
  })
})

test('processors: the lower of two figures that are too high', async (t) => {
  const cpu = (...runs: Partial<RunText>[]) => {
    const journal = journalFor(t)
    for (const more of runs) addRun(journal, { vms: [busy], ...more })
    return pastDemand(journal, question).cpu
  }
  t.equal(cpu({}), undefined)
  t.equal(cpu({ cpuBusy: 0.5 }), 2)
  t.equal(cpu({ cpuBusy: 0.5, vms: [busy, busy] }), 1)
  t.equal(cpu({ cpuSeconds: 3 }), 0.2, 'over a life of 15 s')
  t.equal(cpu({ cpuBusy: 1, cpuSeconds: 3 }), 0.2, 'neighbours were busy')
  t.equal(cpu({ cpuBusy: 0.025, cpuSeconds: 3 }), 0.1, 'the boot took most of it')
})

test('a ramp comes before runs: its vms ask at their own pace', async (t) => {
  const journal = journalFor(t)
  addRun(journal, { vms: [busy], cpuBusy: 1 })
  const ramp = recordRamp(journal, { ...question, manifest: {}, prediction: {} })
  const step = (seq: number, vms: number, verdict: 'met' | 'void', mean: number) =>
    recordRampStep(journal, ramp, {
      ...{ seq, repetition: 1, vms, verdict },
      figures: {
        demand: { mean, sigma: 0, correlation: vms === 1 ? 0 : 0.1 },
        ...{ seconds: 60, memory: 200 * MIB, cpu: { busy: 0.2 + 0.1 * vms } },
      },
    })
  step(1, 1, 'met', 0.02)
  step(2, 2, 'met', 0.04)
  step(3, 3, 'void', 0.9)
  step(4, 8, 'met', 0.9)
  const before = pastDemand(journal, question)
  t.equal(before.seen?.from, 'runs', 'one that has not ended is none')
  recordRampEnd(journal, ramp, { measured: 8, bound: 'latency' })
  const { demand, seen, cpu, memory, mix } = pastDemand(journal, question)
  t.ok(Math.abs(demand!.mean - 0.03) < 1e-12)
  t.ok(Math.abs(demand!.sigma - 0.01) < 1e-9)
  t.equal(demand!.correlation, 0.1)
  t.strictSame(seen, { from: 'ramp', count: 2, vms: [1, 2], seconds: 120 })
  t.ok(Math.abs(cpu! - 0.4) < 1e-12, `${cpu}: what one vm more takes`)
  t.strictSame(memory, { takenBytes: 200 * MIB })
  t.equal(mix, undefined)
})
