import type { RampSummary } from '../../src/study/ramp/event.ts'

// When the model is right about a tier: science.md calls it a success where sigma lies within a fifth of what was measured and
// never above it by more than one vm, on a tier of 100 transactions per second that is the only thing that can bind.

const MOST_LEARNT_FROM = 4
const MEASURED = { least: 8, most: 25 }
const MOST_BUSY = 0.8
const SHARE = 0.2
const MOST_ABOVE = 1
const REPETITIONS = 3

export interface Claim {
  text: string
  holds: boolean
  /** What was found. */
  found: string
}

/** What the criterion asks of a ramp, one by one. `startedAt` and `firstEndedAt` are Unix seconds from the journal. */
export function claimsOf(
  ramp: Pick<RampSummary, 'learned' | 'densities' | 'steps' | 'repetitions' | 'measured' | 'bound'>,
  { startedAt, firstEndedAt, hold }: { startedAt: number; firstEndedAt: number; hold: number },
): Claim[] {
  const { learned, densities, steps, repetitions, measured, bound } = ramp
  const sigma = densities.find(({ method }) => method === 'sigma')?.vms
  const judged = steps.filter(({ verdict }) => verdict !== 'void')
  const busy = Math.max(0, ...judged.map(({ figures }) => figures.cpu?.busy ?? 1))
  const orders = new Set(repetitions.map(({ order }) => order))
  const before = firstEndedAt - startedAt
  const error = sigma === undefined || !measured ? undefined : sigma / measured - 1
  return [
    {
      text: `the demand was learnt from at most ${MOST_LEARNT_FROM} vms`,
      holds: learned.vms > 0 && learned.vms <= MOST_LEARNT_FROM,
      found: `${learned.vms}`,
    },
    {
      text: 'the prediction was in the journal before the first step',
      holds: before >= hold,
      found: `${before.toFixed(0)} s before its end, of which it was held ${hold} s`,
    },
    {
      text: `${REPETITIONS} repetitions, each in another order`,
      holds: repetitions.length >= REPETITIONS && orders.size === REPETITIONS,
      found: repetitions.map(({ order, vms }) => `${order} ${vms}`).join(', '),
    },
    {
      text: `from ${MEASURED.least} to ${MEASURED.most} vms were measured, bound by latency`,
      holds:
        measured !== undefined &&
        measured >= MEASURED.least &&
        measured <= MEASURED.most &&
        bound === 'latency',
      found: `${measured ?? 'none'}, ${bound ?? 'no bound'}`,
    },
    {
      text: `the processors were busy for less than ${MOST_BUSY * 100} % in each step`,
      holds: judged.length > 0 && busy < MOST_BUSY,
      found: judged.length === 0 ? 'no step was judged' : `${(busy * 100).toFixed(0)} %`,
    },
    {
      text: `sigma lies within ${SHARE * 100} % of it`,
      holds: error !== undefined && Math.abs(error) <= SHARE,
      found: error === undefined ? 'not known' : `${sigma}, ${(error * 100).toFixed(0)} %`,
    },
    {
      text: `and not above it by more than ${MOST_ABOVE}`,
      holds: sigma !== undefined && measured !== undefined && sigma <= measured + MOST_ABOVE,
      found: `${sigma ?? 'not known'}`,
    },
  ]
}
