import fc from 'fast-check'
import t from 'tap'
import { sigmaLoad, vmsBySigma } from '../../src/density/methods.ts'
import { predict, type Question } from '../../src/density/model.ts'
import type { Demand, Method } from '../../src/density/records.ts'

const share = fc.double({ min: 0, max: 1, noNaN: true })
const more = fc.double({ min: 1, max: 10, noNaN: true })

const demands: fc.Arbitrary<Demand> = fc.record({
  mean: fc.double({ min: 1e-4, max: 2, noNaN: true }),
  sigma: fc.double({ min: 0, max: 2, noNaN: true }),
  correlation: share,
})
const rooms = fc.option(
  fc.record({
    room: fc.double({ min: -10, max: 1e6, noNaN: true }),
    each: fc.double({ min: 0, max: 100, noNaN: true }),
  }),
  { nil: undefined },
)
const questions: fc.Arbitrary<Question & { demand: Demand }> = fc.record({
  demand: demands,
  service: fc.option(
    fc.record({
      peak: fc.double({ min: 1, max: 1e6, noNaN: true }),
      baseLatency: fc.double({ min: 1e-5, max: 0.1, noNaN: true }),
    }),
    { nil: undefined },
  ),
  targetLatency: fc.option(fc.double({ min: 1e-5, max: 1, noNaN: true }), { nil: undefined }),
  boot: fc.option(fc.record({ demand: share, work: share }), { nil: undefined }),
  memory: rooms,
  space: rooms,
  cpu: rooms,
  running: fc.nat(100),
  settings: fc.record({
    zScore: fc.double({ min: 0, max: 4, noNaN: true }),
    utilisationCap: fc.double({ min: 0.01, max: 1, noNaN: true }),
    cpuCap: fc.constant(1),
    memoryReserve: fc.constant(0),
  }),
})

/** Of one method; without a bound it is more than any. */
function vms(question: Question, method: Method): number {
  const found = predict(question).densities.find((density) => density.method === method)!
  return found.vms ?? Number.POSITIVE_INFINITY
}

/** `better` is never below `question`, by any method that is predicted. */
function neverFewer(question: Question, better: Partial<Question>): void {
  for (const method of ['paper', 'capped', 'sigma'] as const) {
    const [before, after] = [vms(question, method), vms({ ...question, ...better }, method)]
    if (after < before) throw new Error(`${method}: ${before}, then ${after}`)
  }
}

t.test('more capacity never makes fewer', async () => {
  fc.assert(
    fc.property(questions, more, (question, factor) => {
      const { service, targetLatency, memory, space, cpu, settings } = question
      const utilisationCap = Math.min(1, settings.utilisationCap * factor)
      neverFewer(question, { settings: { ...settings, utilisationCap } })
      if (targetLatency) neverFewer(question, { targetLatency: targetLatency * factor })
      if (service) {
        const baseLatency = service.baseLatency! / factor
        neverFewer(question, { service: { ...service, baseLatency } })
      }
      for (const [key, room] of Object.entries({ memory, space, cpu })) {
        const larger = room && { ...room, room: room.room < 0 ? 0 : room.room * factor }
        neverFewer(question, { [key]: larger })
      }
    }),
  )
})

t.test('more demand never makes more', async () => {
  fc.assert(
    fc.property(questions, more, (question, factor) => {
      const { demand, memory, space, cpu, boot, settings } = question
      const less = (part: Partial<Demand>) =>
        neverFewer({ ...question, demand: { ...demand, ...part } }, { demand })
      less({ mean: demand.mean * factor })
      less({ sigma: demand.sigma * factor })
      less({ correlation: Math.min(1, demand.correlation * factor) })
      const zScore = settings.zScore * factor
      neverFewer({ ...question, settings: { ...settings, zScore } }, { settings })
      if (boot) {
        neverFewer({ ...question, boot: { ...boot, demand: boot.demand! * factor } }, { boot })
      }
      for (const [key, room] of Object.entries({ memory, space, cpu })) {
        const dearer = room && { ...room, each: room.each * factor }
        neverFewer({ ...question, [key]: dearer }, { [key]: room })
      }
    }),
  )
})

t.test('whole, never negative, never above paper, and headroom to the vms that run', async () => {
  fc.assert(
    fc.property(questions, (question) => {
      const { densities, limits, capacity } = predict(question)
      const paper = vms(question, 'paper')
      for (const { vms, bound, headroom, method } of densities) {
        if (vms === undefined) continue
        const wrong =
          !Number.isInteger(vms) ||
          vms < 0 ||
          vms > paper ||
          headroom !== vms - question.running ||
          (method !== 'paper' && bound === undefined)
        if (wrong) throw new Error(JSON.stringify({ method, vms, bound, headroom, paper }))
      }
      const sigma = vms(question, 'sigma')
      if (limits.length > 0 && sigma !== Math.min(...limits.map(({ vms }) => vms)))
        throw new Error(`${sigma}: not the least of ${JSON.stringify(limits)}`)
      if (capacity < 0 || capacity > 1) throw new Error(`capacity ${capacity}`)
    }),
  )
})

t.test('sigma is the largest that the capacity holds', async () => {
  fc.assert(
    fc.property(demands, share, share, (demand, capacity, zScore) => {
      const most = vmsBySigma(demand, capacity, zScore)!
      const load = (vms: number) => sigmaLoad(demand, vms, zScore)
      if (load(most) > capacity * (1 + 1e-6)) throw new Error(`${most} are too many`)
      if (load(most + 1) <= capacity) throw new Error(`${most} and one more fit`)
    }),
  )
})

t.test('without correlation it is the closed form', async () => {
  fc.assert(
    fc.property(demands, share, share, ({ mean: mu, sigma }, capacity, z) => {
      const root = (-z * sigma + Math.sqrt((z * sigma) ** 2 + 4 * mu * capacity)) / (2 * mu)
      const most = vmsBySigma({ mean: mu, sigma, correlation: 0 }, capacity, z)!
      // Where the root is all but whole, the last bit decides.
      if (
        Math.abs(most - Math.floor(root ** 2)) >
        (Math.abs(root ** 2 - Math.round(root ** 2)) < 1e-6 ? 1 : 0)
      )
        throw new Error(`${most}, by the closed form ${root ** 2}`)
    }),
  )
})
