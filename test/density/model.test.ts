import t from 'tap'
import { bootsAtOnce } from '../../src/density/boot.ts'
import { serviceOf, usableShare } from '../../src/density/capacity.ts'
import { vmsByCap, vmsByPaper, vmsBySigma } from '../../src/density/methods.ts'
import { type Density, predict, type Question } from '../../src/density/model.ts'
import type { ClassCapacity, Demand, Method } from '../../src/density/records.ts'

const MIB = 2 ** 20
const settings = { zScore: 1.645, utilisationCap: 0.8, cpuCap: 0.8, memoryReserve: 0 }

/** The paper's disk and vm: 100 transactions a second, 5 of them asked on average; bursts of up to 100 make sigma 10. */
const PEAK = 100
const paperVm = ofTransactions(5, 10)
const paperDisk = { peak: PEAK, baseLatency: 0.01 }

function ofTransactions(mean: number, sigma: number, correlation = 0): Demand {
  return { mean: mean / PEAK, sigma: sigma / PEAK, correlation }
}

function ask(question: Partial<Question>): ReturnType<typeof predict> {
  return predict({ demand: paperVm, running: 0, settings, ...question })
}

function by(method: Method, densities: readonly Density[]): Density {
  return densities.find((density) => density.method === method)!
}

t.test("the paper's disk by the mean", async (t) => {
  t.equal(vmsByPaper(paperVm), 20)
  for (const [cap, vms] of [
    [0.8, 16],
    [0.7, 14],
    [0.5, 10],
  ] as const) {
    t.equal(vmsByCap(paperVm, cap), vms, `up to ${cap}`)
  }
})

t.test('what a target latency leaves of a peak', async (t) => {
  for (const [target, share, vms] of [
    [0.1, 0.9, 18],
    [0.05, 0.8, 16],
    [0.03, 2 / 3, 13],
    [0.02, 0.5, 10],
    [0.01, 0, 0],
    [0.005, 0, 0],
  ] as const) {
    const usable = usableShare(paperDisk, target, 0.7)
    t.ok(Math.abs(usable - share) < 1e-12, `${target} s: ${usable}`)
    t.equal(vmsByCap(paperVm, usable), vms, `${target} s: vms by the mean`)
  }
  t.equal(usableShare({ peak: 100 }, 0.05, 0.7), 0.7, 'rated alone: the cap')
  t.equal(usableShare(paperDisk, undefined, 0.7), 0.7, 'no target: the cap')
  t.equal(usableShare(undefined, 0.05, 0.7), 0.7)
})

t.test("the paper's disk by sigma", async (t) => {
  for (const [capacity, zScore, correlation, vms] of [
    [1, 1.645, 0, 9],
    [1, 2.326, 0, 7],
    [1, 2.326, 0.1, 6],
    [0.8, 1.645, 0, 7],
    [0.8, 2.326, 0, 5],
    [0.8, 2.326, 0.1, 4],
  ] as const) {
    const demand = ofTransactions(5, 10, correlation)
    t.equal(vmsBySigma(demand, capacity, zScore), vms, `${capacity} ${zScore} ${correlation}`)
  }
  t.equal(vmsBySigma(ofTransactions(5, 0), 1, 2.326), 20, 'a vm without bursts: the mean')
  t.equal(vmsBySigma(ofTransactions(5, 10, 1), 1, 1.645), 4, 'all at once: each with its burst')
  t.equal(vmsBySigma(ofTransactions(5, 10), 0, 1.645), 0, 'nothing to have')
  t.equal(vmsBySigma(ofTransactions(0, 0), 1, 1.645), undefined, 'nothing asked: no bound')
})

t.test('boots beside vms that serve', async (t) => {
  const boot = { demand: 1 }
  t.equal(bootsAtOnce(1, 0, paperVm, boot), 1, 'one boot at a time fills the disk')
  t.equal(bootsAtOnce(1, 1, paperVm, boot), 0)
  t.equal(bootsAtOnce(1, 10, paperVm, { demand: 0.1 }), 5)

  const { densities, boot: storm } = ask({ boot: { demand: 0.6, work: 3 }, service: paperDisk })
  t.strictSame(by('sigma', densities), { method: 'sigma', vms: 5, bound: 'boot', headroom: 5 })
  t.strictSame(storm, { atOnce: 1, stormSeconds: 18.75 }, '5 boots of 3 s on 0.8 of the disk')
  t.equal(ask({}).boot, undefined)
  t.strictSame(ask({ boot: { work: 3 } }).boot, { stormSeconds: 26.25 }, '7 of them, seen only')
  t.strictSame(
    ask({ boot: { demand: 0.9 } }).limits.at(-1),
    { constraint: 'boot', vms: 0 },
    'one boot alone is more than there is',
  )
})

t.test('what a mix of operations finds', async (t) => {
  const classes = [
    { class: 'random-read', baseLatency: 0.01, peak: 100, residual: 0 },
    { class: 'synced-write', baseLatency: 0.03, peak: 25, residual: 0 },
  ] as ClassCapacity[]
  t.strictSame(serviceOf(classes, { 'random-read': 8 }), { peak: 100, baseLatency: 0.01 })
  t.strictSame(serviceOf(classes, { 'random-read': 1, 'synced-write': 1 }), {
    peak: 40,
    baseLatency: 0.02,
  })
  t.equal(serviceOf(classes, { 'random-read': 1, 'random-write': 1 }), undefined, 'not calibrated')
  t.equal(serviceOf(classes, { 'random-read': 0 }), undefined, 'no operations')
})

t.test('the constraint that binds', async (t) => {
  const memory = { room: 2048 * MIB, each: 256 * MIB }
  const rows: [Partial<Question>, vms: number | undefined, bound: string | undefined][] = [
    [{}, 7, 'io'],
    [{ memory }, 7, 'io'],
    [{ memory: { ...memory, each: 512 * MIB } }, 4, 'memory'],
    [{ memory, space: { room: 4000, each: 1000 } }, 4, 'space'],
    [{ memory, space: { room: -1, each: 1000 } }, 0, 'space'],
    [{ memory, cpu: { room: 1.6, each: 0.5 } }, 3, 'cpu'],
    [{ boot: { demand: 0.5 }, cpu: { room: 1.6, each: 0.5 } }, 3, 'cpu'],
    [{ boot: { demand: 0.75 }, cpu: { room: 1.6, each: 0.5 } }, 2, 'boot'],
    [{ demand: ofTransactions(0, 0), memory }, 8, 'memory'],
    [{ demand: ofTransactions(0, 0) }, undefined, undefined],
    [{ demand: undefined, memory }, undefined, undefined],
  ]
  for (const [question, vms, bound] of rows) {
    const found = by('sigma', ask(question).densities)
    t.strictSame([found.vms, found.bound], [vms, bound], JSON.stringify(question))
  }
})

t.test('all methods beside each other', async (t) => {
  const { densities, limits, capacity } = ask({
    service: paperDisk,
    targetLatency: 0.02,
    cpu: { room: 1.6, each: 0.2 },
    measured: { vms: 3, bound: 'io' },
    running: 4,
  })
  t.equal(capacity, 0.5)
  t.strictSame(densities, [
    { method: 'paper', vms: 20, bound: 'io', headroom: 16 },
    { method: 'capped', vms: 8, bound: 'cpu', headroom: 4 },
    { method: 'sigma', vms: 3, bound: 'io', headroom: -1 },
    { method: 'measured', vms: 3, bound: 'io', headroom: -1 },
  ])
  t.strictSame(limits, [
    { constraint: 'io', vms: 3 },
    { constraint: 'cpu', vms: 8 },
  ])
  t.strictSame(ask({ demand: undefined }).densities, [
    { method: 'paper' },
    { method: 'capped' },
    { method: 'sigma' },
    { method: 'measured' },
  ])
})
