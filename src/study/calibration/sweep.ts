import { latencyOf } from '../../density/fit.ts'
import type { OperationClass } from '../../density/records.ts'
import { runFio } from '../../storage/calibration/fio.ts'
import {
  LAYOUT_DEPTH,
  layoutArgs,
  type Pattern,
  pointArgs,
  type Target,
} from '../../storage/calibration/fio-job.ts'
import type { FioOutput } from '../../storage/calibration/fio-output.ts'
import { PATTERNS } from './classes.ts'
import type { Effort } from './effort.ts'
import { capacityOf, searchNotes } from './evaluate.ts'
import type { ClassResult, MeasuredPoint } from './records.ts'
import { searchFor } from './search.ts'
import { unsteadiness } from './steady.ts'

/** Deeper than the last depth only while that still brings more. */
const GAIN = 1.1
const MAX_DEPTH = 128

const LAYOUT_BYTES = 512 * 1024
const LAYOUT_SECONDS = 60
/** What may not have ended when time was up: the requests that fio had under way. */
const LAYOUT_SLACK_BYTES = LAYOUT_DEPTH * LAYOUT_BYTES

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
