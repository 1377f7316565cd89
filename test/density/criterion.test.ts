import t from 'tap'
import type { RampStepSummary, RampSummary } from '../../src/study/ramp/event.ts'
import { claimsOf } from './criterion.ts'

const step = (vms: number, busy: number, verdict: 'met' | 'void' = 'met'): RampStepSummary => ({
  ...{ seq: 1, repetition: 1, vms, verdict },
  figures: { cpu: { busy } },
})

const GOOD: Pick<
  RampSummary,
  'learned' | 'densities' | 'steps' | 'repetitions' | 'measured' | 'bound'
> = {
  learned: { vms: 4, seconds: 120 },
  densities: [
    { method: 'paper', vms: 24 },
    { method: 'sigma', vms: 12 },
  ],
  steps: [step(1, 0.1), step(12, 0.7), step(24, 0.95, 'void')],
  repetitions: [
    { order: 'rising', vms: 13, bound: 'latency' },
    { order: 'falling', vms: 12, bound: 'latency' },
    { order: 'random', vms: 11, bound: 'latency' },
  ],
  measured: 11,
  bound: 'latency',
}
const TIMES = { startedAt: 1000, firstEndedAt: 1150, hold: 120 }

/** The numbers of the claims that do not hold. */
function broken(more: Partial<typeof GOOD>, times = TIMES): number[] {
  return claimsOf({ ...GOOD, ...more }, times).flatMap(({ holds }, index) => (holds ? [] : index))
}

t.test('the criterion, claim by claim', async (t) => {
  const sigma = (vms: number) => [{ method: 'sigma', vms }]
  t.strictSame(broken({}), [])
  t.strictSame(broken({ learned: { vms: 5, seconds: 120 } }), [0])
  t.strictSame(broken({ learned: { vms: 0, seconds: 0 } }), [0])
  t.strictSame(broken({}, { ...TIMES, startedAt: 1100 }), [1])
  t.strictSame(broken({ repetitions: GOOD.repetitions.slice(1) }), [2])
  const [first] = GOOD.repetitions
  t.strictSame(broken({ repetitions: [first!, first!, first!] }), [2])
  t.strictSame(broken({ bound: 'cpu' }), [3])
  t.strictSame(broken({ measured: 7, densities: sigma(7) }), [3])
  t.strictSame(broken({ measured: 26, densities: sigma(26) }), [3])
  t.strictSame(broken({ steps: [step(12, 0.8)] }), [4])
  t.strictSame(broken({ steps: [] }), [4])
  t.strictSame(broken({ densities: sigma(8) }), [5])
  t.strictSame(broken({ densities: sigma(9) }), [])
  t.strictSame(broken({ densities: sigma(13) }), [6], 'within a fifth, and two too many')
  t.strictSame(broken({ densities: sigma(14) }), [5, 6])
  t.strictSame(broken({ densities: [] }), [5, 6])
  t.strictSame(broken({ measured: undefined, bound: undefined }), [3, 5, 6])
})
