import type { OperationClass } from '../../density/records.ts'
import { SEARCHED } from './classes.ts'

/** How thoroughly a tier is measured. */
export interface Effort {
  /** Of what fio works on, at the most. */
  bytes: number
  depths: readonly number[]
  rampSeconds: number
  steadySeconds: number
  limitSeconds: number
  /** How long the tier's device is watched for others before anything is done. */
  quietSeconds: number
  /** How often a point that is not steady is measured again. */
  repeats: number
  /** Whether the first depth is measured again at the end, and fio looks for the target latency. */
  checks: boolean
}

export const FULL: Effort = {
  bytes: 2 ** 30,
  depths: [1, 2, 4, 8, 16, 32],
  rampSeconds: 1,
  steadySeconds: 5,
  limitSeconds: 20,
  quietSeconds: 5,
  repeats: 1,
  checks: true,
}

export const QUICK: Effort = {
  bytes: 64 * 2 ** 20,
  depths: [1, 4, 16],
  rampSeconds: 0.5,
  steadySeconds: 2,
  limitSeconds: 6,
  quietSeconds: 1,
  repeats: 0,
  checks: false,
}

/** About how long fio takes to start and to end, seconds. */
const OVERHEAD_SECONDS = 0.4

/** How many steps a class has, as far as is known before, and about how many seconds one takes. */
export function stepsOf(
  name: OperationClass,
  { depths, checks, rampSeconds, steadySeconds }: Effort,
  targetLatency: number | undefined,
): { steps: number; seconds: number } {
  const points = depths.length + (checks ? 1 : 0)
  const searches = checks && targetLatency !== undefined && SEARCHED.has(name) ? 1 : 0
  const each = rampSeconds + steadySeconds + OVERHEAD_SECONDS
  return { steps: points + searches, seconds: each }
}
