import { linearRegression, mean } from 'simple-statistics'

/** What the last windows of a measurement say of whether it still moves. */
export interface SteadyState {
  steady: boolean
  /** Greatest less least, as a share of the mean. */
  range: number
  /** What the fitted line rises or falls by over the windows, as a share of the mean. */
  drift: number
}

/** Rounds in SNIA's measurement window. */
export const WINDOWS = 5

const MOST_RANGE = 0.2
const MOST_DRIFT = 0.1

/**
 * The steady-state test of SNIA's Solid State Storage Performance Test Specification: over the last five rounds the
 * values differ by at most 20 % of their mean, and the best straight line through them rises or falls by at most 10 % of it.
 * Undefined while there are fewer rounds, or nothing but zeros.
 */
export function steadyState(rounds: readonly number[]): SteadyState | undefined {
  const window = rounds.slice(-WINDOWS)
  if (window.length < WINDOWS) return undefined
  const level = mean(window)
  if (level === 0) return undefined
  const range = (Math.max(...window) - Math.min(...window)) / level
  const { m: slope } = linearRegression(window.map((value, round) => [round, value]))
  const drift = (Math.abs(slope) * (WINDOWS - 1)) / level
  return { steady: range <= MOST_RANGE && drift <= MOST_DRIFT, range, drift }
}
