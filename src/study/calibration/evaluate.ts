import { capacityAt, depthAt, fitLine, latencyAt, latencyOf } from '../../density/fit.ts'
import type { ClassCapacity, OperationClass } from '../../density/records.ts'
import { KvmioError } from '../../lib/errors.ts'
import { isSequential, PATTERNS } from './classes.ts'
import type { CalibrationResult, MeasuredPoint, SearchResult } from './records.ts'

/** A line that misses a point by more is none. */
const BENT = 0.2
const DRIFT = 0.1
const LITTLE = 0.15
const SEARCH = 0.15
/** What others may do, as a share of the least peak. */
const NEIGHBOURS = 0.05

/** What the points of a class say of a tier. Where they are on no line, what was seen stands for it. */
export function capacityOf(
  name: OperationClass,
  points: readonly MeasuredPoint[],
): { capacity: ClassCapacity; notes: string[] } {
  const line = fitLine(points)
  if (!line) throw new KvmioError(`${name}: expected at least two depths`)
  const lowest = points.reduce((low, point) => (point.depth < low.depth ? point : low))
  const isBent = line.residual > BENT
  const baseLatency = isBent ? latencyOf(lowest) : line.baseLatency
  const peak = isBent
    ? Math.max(...points.map(({ operationsPerSecond }) => operationsPerSecond))
    : line.peak
  const { residual } = line
  const bytes = isSequential(name) ? { bytesPerSecond: peak * PATTERNS[name].blockBytes } : {}
  const notes = [
    ...(isBent
      ? [
          `its latency is no straight line (${percent(residual)} off): R0 and X_inf are the lowest depth's latency and the highest rate`,
        ]
      : []),
    ...points.flatMap(pointNotes),
    ...driftNotes(points),
  ]
  return { capacity: { class: name, baseLatency, peak, residual, ...bytes }, notes }
}

/** What fio's search says of the line. */
export function searchNotes(capacity: ClassCapacity, search: SearchResult): string[] {
  const { depth, operationsPerSecond, expectedPerSecond, targetLatency } = search
  const expectedDepth = Math.max(1, Math.floor(depthAt(capacity, targetLatency)))
  const off = operationsPerSecond / expectedPerSecond - 1
  const isDeep = Math.abs(depth - expectedDepth) > Math.max(1, expectedDepth * SEARCH)
  if (Math.abs(off) <= SEARCH && !isDeep) return []
  return [
    `fio's search kept the target with ${depth} at a time and ${operationsPerSecond.toFixed(1)}/s, the line with ${expectedDepth} and ${expectedPerSecond.toFixed(1)}/s`,
  ]
}

/** What the line has for the depth that fio found. */
export function expectedRate(capacity: ClassCapacity, depth: number): number {
  return depth / latencyAt(capacity, depth)
}

/** What is to be known of a whole calibration. */
export function neighbourNotes({ others, classes }: CalibrationResult): string[] {
  const lowest = Math.min(...classes.map(({ capacity }) => capacity.peak))
  if (!others || others.transactionsPerSecond <= lowest * NEIGHBOURS) return []
  const { device, transactionsPerSecond } = others
  return [
    `device ${device} did ${transactionsPerSecond.toFixed(1)} transactions/s of others before it began: what was measured is what they left`,
  ]
}

/** Of a tier without a target latency it is not known. */
export function capacityAtTarget(
  capacity: ClassCapacity,
  targetLatency: number | undefined,
): number | undefined {
  return targetLatency === undefined ? undefined : capacityAt(capacity, targetLatency)
}

function pointNotes(point: MeasuredPoint): string[] {
  const { depth, unsteady, latency } = point
  const off = latency / latencyOf(point) - 1
  return [
    ...(unsteady === undefined ? [] : [`not steady at depth ${depth}: ${unsteady}`]),
    ...(Math.abs(off) <= LITTLE
      ? []
      : [`at depth ${depth} fio's mean latency is ${percent(off)} off depth / rate`]),
  ]
}

/** The first depth is measured once more at the end. */
function driftNotes(points: readonly MeasuredPoint[]): string[] {
  const [first, ...rest] = points
  const again = rest.filter(({ depth }) => depth === first?.depth).at(-1)
  if (!first || !again) return []
  const drift = again.operationsPerSecond / first.operationsPerSecond - 1
  return Math.abs(drift) <= DRIFT
    ? []
    : [`depth ${first.depth} came out ${percent(drift)} off when it was measured again at the end`]
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
