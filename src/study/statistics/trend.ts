import { linearRegression, mean } from 'simple-statistics'

// Student's t for 3 degrees of freedom and 95 % on both sides: five rounds less the line's two figures.
const MOST_T = 3.182
const ROUNDS = 5

/**
 * Whether the last five rounds rise or fall by more than chance explains: the slope of the best line through them against
 * its own standard error. Undefined while there are fewer. What comes at random moves by more than SNIA's test allows for
 * as long as rounds are short, and yet it goes nowhere.
 */
export function hasTrend(rounds: readonly number[]): boolean | undefined {
  const last = rounds.slice(-ROUNDS)
  if (last.length < ROUNDS) return undefined
  const points = last.map((value, round) => [round, value] as const)
  const { m: slope, b: start } = linearRegression(points.map(([round, value]) => [round, value]))
  const level = mean([...last])
  const rest = points.reduce((sum, [x, y]) => sum + (y - start - slope * x) ** 2, 0)
  const spread = points.reduce((sum, [x]) => sum + (x - (ROUNDS - 1) / 2) ** 2, 0)
  const error = Math.sqrt(rest / (ROUNDS - 2) / spread)
  // Of what hardly differs at all a line is no news, however straight.
  return Math.abs(slope) > MOST_T * error && Math.abs(slope) * (ROUNDS - 1) > LEAST_DRIFT * level
}

/** SNIA's: what the line rises or falls by over the rounds, as a share of their mean. */
const LEAST_DRIFT = 0.1
