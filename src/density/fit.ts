// R(Q) = R0 + Q / X_inf: the mean latency of a tier is a straight line over how many operations wait (Pesto, SoCC 2011).

/** What a closed loop of `depth` operations, one begun as soon as one has ended, came to. */
export interface Point {
  depth: number
  operationsPerSecond: number
}

export interface Line {
  /** R0, seconds: how long an operation takes that waits for no other. */
  baseLatency: number
  /** X_inf, operations per second. */
  peak: number
  /** The largest distance of a measured point from the line, as a share of the point. */
  residual: number
}

/** The mean latency of a closed loop, seconds, by Little's law: what is in it over what leaves it. */
export function latencyOf({ depth, operationsPerSecond }: Point): number {
  return depth / operationsPerSecond
}

/**
 * The line through the points, by least squares of relative distances: a miss by 5 % weighs the same at 10 ms and at 1 s.
 *
 * Q is the depth less one, the operations that wait beside the one that is served, so that R(1) = R0. A server that takes
 * S for each operation, one at a time, has R(depth) = depth S and is found as R0 = S, X_inf = 1 / S.
 *
 * Undefined with fewer than two depths. Where the latency does not grow with the depth, the peak is the highest rate that
 * was seen; where the line would begin at 0 or below, it is drawn from the latency of the lowest depth.
 */
export function fitLine(points: readonly Point[]): Line | undefined {
  const at = points.map((point) => ({ waiting: point.depth - 1, latency: latencyOf(point) }))
  if (new Set(at.map(({ waiting }) => waiting)).size < 2) return undefined
  const { intercept, slope } = leastSquares(at)
  const line = intercept > 0 && slope > 0 ? { intercept, slope } : fromLowest(at)
  const { intercept: baseLatency, slope: perOperation } = line
  const distances = at.map(({ waiting, latency }) =>
    Math.abs(1 - (baseLatency + waiting * perOperation) / latency),
  )
  return {
    baseLatency,
    peak: perOperation > 0 ? 1 / perOperation : highestRate(points),
    residual: Math.max(...distances),
  }
}

/** The latency that a line has for a closed loop of this depth, seconds. */
export function latencyAt({ baseLatency, peak }: Omit<Line, 'residual'>, depth: number): number {
  return baseLatency + (depth - 1) / peak
}

/** The depth of a closed loop, not always a whole number, that just keeps a mean latency; at least 1. */
export function depthAt({ baseLatency, peak }: Omit<Line, 'residual'>, latency: number): number {
  return Math.max(1, 1 + (latency - baseLatency) * peak)
}

/**
 * C(R*) = X_inf (1 - R0 / R*): what a tier serves with a mean latency of R*, operations per second, when they come as they
 * like. A closed loop gets more at the same latency, since it never lets the server rest.
 */
export function capacityAt(
  { baseLatency, peak }: Omit<Line, 'residual'>,
  targetLatency: number,
): number {
  return peak * Math.max(0, 1 - baseLatency / targetLatency)
}

interface At {
  waiting: number
  latency: number
}

interface Straight {
  intercept: number
  slope: number
}

function leastSquares(points: readonly At[]): Straight {
  const weighted = points.map(({ waiting: x, latency: y }) => ({ x, y, weight: y ** -2 }))
  const sum = (of: (point: (typeof weighted)[number]) => number) =>
    weighted.reduce((total, point) => total + point.weight * of(point), 0)
  const weight = sum(() => 1)
  const [x, y] = [sum(({ x }) => x) / weight, sum(({ y }) => y) / weight]
  const slope = sum((point) => (point.x - x) * (point.y - y)) / sum((point) => (point.x - x) ** 2)
  return { intercept: y - slope * x, slope }
}

/** Through the mean latency of the lowest depth, and never falling. */
function fromLowest(points: readonly At[]): Straight {
  const least = Math.min(...points.map(({ waiting }) => waiting))
  const lowest = points.filter(({ waiting }) => waiting === least)
  const start = lowest.reduce((total, { latency }) => total + latency, 0) / lowest.length
  const others = points.filter(({ waiting }) => waiting > least)
  const weighted = (of: (point: At) => number) =>
    others.reduce((total, point) => total + of(point) / point.latency ** 2, 0)
  const rise = weighted(({ waiting, latency }) => (waiting - least) * (latency - start))
  const slope = Math.max(0, rise / weighted(({ waiting }) => (waiting - least) ** 2))
  // A loop that begins deeper than one has no R0 of its own; the lowest that was seen stands for it.
  return { intercept: Math.max(start - slope * least, Number.MIN_VALUE), slope }
}

function highestRate(points: readonly Point[]): number {
  return Math.max(...points.map(({ operationsPerSecond }) => operationsPerSecond))
}
