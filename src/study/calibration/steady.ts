// SNIA's Solid State Storage Performance Test Specification, 2.0.2: of the last seconds the highest and the lowest lie within
// a fifth of the mean, and the line through them does not rise or fall by more than a tenth of it.
const RANGE = 0.2
const EXCURSION = 0.1

/** Why what was measured, second by second, is no steady state; undefined when it is one. */
export function unsteadiness(rates: readonly number[]): string | undefined {
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length
  if (rates.length < 2 || !(mean > 0)) return 'nothing was measured'
  const range = (Math.max(...rates) - Math.min(...rates)) / mean
  if (range > RANGE) return `its seconds lie ${percent(range)} apart, at most ${percent(RANGE)}`
  if (rates.length < 3) return undefined // two make no trend
  const excursion = Math.abs(slopeOf(rates, mean) * (rates.length - 1)) / mean
  if (excursion <= EXCURSION) return undefined
  return `it changes by ${percent(excursion)} meanwhile, at most ${percent(EXCURSION)}`
}

function slopeOf(rates: readonly number[], mean: number): number {
  const middle = (rates.length - 1) / 2
  const rise = rates.reduce((sum, rate, index) => sum + (index - middle) * (rate - mean), 0)
  return rise / rates.reduce((sum, _, index) => sum + (index - middle) ** 2, 0)
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
