import { depthAt } from '../../density/fit.ts'
import type { ClassCapacity, OperationClass } from '../../density/records.ts'
import { runFio } from '../../storage/calibration/fio.ts'
import { searchArgs } from '../../storage/calibration/fio-job.ts'
import { PATTERNS, SEARCHED } from './classes.ts'
import { expectedRate } from './evaluate.ts'
import type { SearchResult } from './records.ts'
import type { Measuring } from './sweep.ts'

/** fio tries no deeper. */
const MAX_DEPTH = 256
/** Operations in a window of fio's search, and how many windows it may take. */
const WINDOW_OPERATIONS = 100
const WINDOWS = 40

/** Lets fio look for the depth that just keeps the target; undefined where there is none, or it is not asked for. */
export async function searchFor(
  name: OperationClass,
  capacity: ClassCapacity,
  { effort, target, targetLatency, signal, onStep }: Measuring,
): Promise<SearchResult | undefined> {
  if (!effort.checks || targetLatency === undefined || !SEARCHED.has(name)) return undefined
  if (targetLatency <= capacity.baseLatency) return undefined // not even one at a time keeps it
  onStep(undefined)
  const windowSeconds = Math.max(0.5, WINDOW_OPERATIONS / capacity.peak)
  const limitSeconds = Math.ceil(WINDOWS * windowSeconds)
  const maxDepth = Math.min(MAX_DEPTH, Math.ceil(2 * depthAt(capacity, targetLatency)))
  const search = { targetLatency, maxDepth, windowSeconds, limitSeconds }
  const args = searchArgs(target, PATTERNS[name], search)
  const { depth, operationsPerSecond } = await runFio(args, { limitSeconds, signal })
  const expectedPerSecond = expectedRate(capacity, depth)
  return { targetLatency, depth, operationsPerSecond, expectedPerSecond }
}
