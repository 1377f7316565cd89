import { depthAt, latencyOf } from '../../density/fit.ts'
import type { ClassCapacity, OperationClass } from '../../density/records.ts'
import { runFio } from '../../storage/calibration/fio.ts'
import {
  LAYOUT_DEPTH,
  layoutArgs,
  type Pattern,
  pointArgs,
  searchArgs,
  type Target,
} from '../../storage/calibration/fio-job.ts'
import type { FioOutput } from '../../storage/calibration/fio-output.ts'
import { PATTERNS, SEARCHED } from './classes.ts'
import { capacityOf, expectedRate, searchNotes } from './evaluate.ts'
import type { ClassResult, MeasuredPoint, SearchResult } from './records.ts'
import { unsteadiness } from './steady.ts'

/** How thoroughly a tier is measured. */
export interface Effort {
  /** Of what fio works on, at the most. */
  bytes: number
  depths: readonly number[]
  rampSeconds: number
  steadySeconds: number
  limitSeconds: number
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
  repeats: 1,
  checks: true,
}

export const QUICK: Effort = {
  bytes: 64 * 2 ** 20,
  depths: [1, 4, 16],
  rampSeconds: 0.5,
  steadySeconds: 2,
  limitSeconds: 6,
  repeats: 0,
  checks: false,
}

/** Deeper than the last depth only while that still brings more. */
const GAIN = 1.1
const MAX_DEPTH = 128

const LAYOUT_BYTES = 512 * 1024
const LAYOUT_SECONDS = 60
/** What may not have ended when time was up: the requests that fio had under way. */
const LAYOUT_SLACK_BYTES = LAYOUT_DEPTH * LAYOUT_BYTES

/** Operations in a window of fio's search, and how many windows it may take. */
const WINDOW_OPERATIONS = 100
const WINDOWS = 40

/** About how long fio takes to start and to end, seconds. */
const OVERHEAD_SECONDS = 0.4

export interface Measuring {
  target: Target
  effort: Effort
  /** Seconds. */
  targetLatency?: number
  signal: AbortSignal
  /** Before each step of a class; without a depth it is fio's search. */
  onStep(depth: number | undefined): void
  onPoint(point: MeasuredPoint): void
}

/** Writes all of the file, as far as a minute goes; gives fio's version and what of it can be used. */
export async function layOut(
  { path, bytes }: Target,
  signal: AbortSignal,
): Promise<{ version: string; target: Target }> {
  const output = await runFio(layoutArgs({ path, bytes }, LAYOUT_BYTES, LAYOUT_SECONDS), {
    limitSeconds: LAYOUT_SECONDS,
    signal,
  })
  const written = output.bytes >= bytes ? bytes : output.bytes - LAYOUT_SLACK_BYTES
  const whole = Math.max(1, Math.floor(written / LAYOUT_BYTES)) * LAYOUT_BYTES
  return { version: output.version, target: { path, bytes: whole } }
}

/** Measures one class: each depth in turn, then the checks. */
export async function measureClass(
  name: OperationClass,
  measuring: Measuring,
): Promise<ClassResult> {
  const { effort } = measuring
  const pattern = PATTERNS[name]
  const points: MeasuredPoint[] = []
  const measure = async (depth: number) => {
    measuring.onStep(depth)
    const point = await measurePoint(pattern, depth, points[0], measuring)
    points.push(point)
    measuring.onPoint(point)
  }
  for (const depth of effort.depths) await measure(depth)
  for (let deeper = nextDepth(points); deeper !== undefined; deeper = nextDepth(points))
    await measure(deeper)
  if (effort.checks) await measure(effort.depths[0]!)
  const { capacity, notes } = capacityOf(name, points)
  const search = await searchFor(name, capacity, measuring)
  return {
    capacity,
    points,
    ...(search && { search }),
    notes: [...notes, ...(search ? searchNotes(capacity, search) : [])],
  }
}

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

/** The next depth while the last one still brought more. */
export function nextDepth(
  points: readonly Pick<MeasuredPoint, 'depth' | 'operationsPerSecond'>[],
): number | undefined {
  const [before, last] = points.slice(-2)
  if (!before || !last || last.depth <= before.depth) return undefined
  const deeper = (last.depth / before.depth) * last.depth
  const gain = last.operationsPerSecond / before.operationsPerSecond
  return deeper <= MAX_DEPTH && gain >= GAIN ? deeper : undefined
}

async function measurePoint(
  pattern: Pattern,
  depth: number,
  first: MeasuredPoint | undefined,
  { target, effort, signal }: Measuring,
): Promise<MeasuredPoint> {
  // Until a queue is as long as it will be, its latency is too short.
  const filling = first ? 2 * depth * (latencyOf(first) / first.depth) : 0
  const timing = { ...effort, rampSeconds: Math.max(effort.rampSeconds, filling) }
  const limitSeconds = timing.rampSeconds + timing.limitSeconds
  for (let again = effort.repeats; ; again--) {
    const output = await runFio(pointArgs(target, pattern, depth, timing), { limitSeconds, signal })
    const point = pointOf(output, pattern, depth)
    if (point.unsteady === undefined || again <= 0) return point
  }
}

/** The rate is that of the last seconds, not of all: what fio waits for at its end it does not count, but its time it does. */
export function pointOf(output: FioOutput, { blockBytes }: Pattern, depth: number): MeasuredPoint {
  const { rates, latency, p99 } = output
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length
  const operationsPerSecond = mean > 0 ? mean / blockBytes : output.operationsPerSecond
  const unsteady = unsteadiness(rates)
  return {
    depth,
    operationsPerSecond,
    latency,
    ...(p99 !== undefined && { p99 }),
    ...(unsteady !== undefined && { unsteady }),
  }
}

async function searchFor(
  name: OperationClass,
  capacity: ClassCapacity,
  { effort, target, targetLatency, signal, onStep }: Measuring,
): Promise<SearchResult | undefined> {
  if (!effort.checks || targetLatency === undefined || !SEARCHED.has(name)) return undefined
  if (targetLatency <= capacity.baseLatency) return undefined // not even one at a time keeps it
  onStep(undefined)
  const windowSeconds = Math.max(0.5, WINDOW_OPERATIONS / capacity.peak)
  const limitSeconds = Math.ceil(WINDOWS * windowSeconds)
  const maxDepth = Math.min(2 * MAX_DEPTH, Math.ceil(2 * depthAt(capacity, targetLatency)))
  const search = { targetLatency, maxDepth, windowSeconds, limitSeconds }
  const args = searchArgs(target, PATTERNS[name], search)
  const { depth, operationsPerSecond } = await runFio(args, { limitSeconds, signal })
  const expectedPerSecond = expectedRate(capacity, depth)
  return { targetLatency, depth, operationsPerSecond, expectedPerSecond }
}
