// Whether the vms of a step met the target: a window is one second by default, and the worst vm decides, as TPC-VMS has it.

/** Of its windows, the share in which a vm must have met the target: 1.645 standard deviations of a normal sum. */
export const SHARE = 0.95

/** A vm that did nothing while another one had this many windows was starved. */
const STARVED_WINDOWS = 20

/** What one vm did within a reading of the sampler. */
export interface VmSecond {
  /** How long it was, seconds. */
  length: number
  /** Reads and writes that ended. */
  operations: number
  /** How long they took in all, with the flushes after them, seconds. */
  time: number
}

/** How one vm fared in a step. */
export interface VmFigures {
  vm: string
  /** In which it did something. */
  windows: number
  /** The share of them in which the mean latency met the target; 1 without any. */
  met: number
  /** The mean, seconds; absent where nothing ended. */
  latency?: number
  /** Seconds; absent where nothing ended. */
  p99?: number
  /** Reads and writes. */
  transactionsPerSecond: number
}

export interface LatencyCounts {
  /** Nanoseconds, ascending; bin i is [boundary i-1, boundary i), the last one open. */
  boundaries: readonly number[]
  bins: readonly number[]
}

/** Sums up what a vm did in a step. `window` and `target` are seconds. */
export function vmFigures(
  vm: string,
  seconds: readonly VmSecond[],
  { window, target }: { window: number; target: number },
  histogram?: LatencyCounts,
): VmFigures {
  const windows = windowsOf(seconds, window).filter(({ operations }) => operations > 0)
  const met = windows.filter(({ operations, time }) => time / operations <= target).length
  const all = sumOf(seconds)
  const p99 = histogram && quantile(histogram, 0.99)
  return {
    vm,
    windows: windows.length,
    met: windows.length === 0 ? 1 : met / windows.length,
    ...(all.operations > 0 && { latency: all.time / all.operations }),
    ...(p99 !== undefined && { p99 }),
    transactionsPerSecond: all.length === 0 ? 0 : all.operations / all.length,
  }
}

/** The one that decides: it met the target least often, or waited longest. */
export function worstOf(vms: readonly VmFigures[]): VmFigures | undefined {
  return vms.toSorted((a, b) => a.met - b.met || (b.latency ?? 0) - (a.latency ?? 0))[0]
}

/** Whether every vm met the target in enough of its windows. */
export function metTarget(vms: readonly VmFigures[]): boolean {
  const most = Math.max(0, ...vms.map(({ windows }) => windows))
  return vms.every(
    ({ windows, met }) => met >= SHARE && !(windows === 0 && most >= STARVED_WINDOWS),
  )
}

/** Seconds put together until they are as long as a window; the rest at the end is none. */
function windowsOf(seconds: readonly VmSecond[], window: number): VmSecond[] {
  const windows: VmSecond[] = []
  let open: VmSecond[] = []
  for (const second of seconds) {
    open.push(second)
    const sum = sumOf(open)
    if (sum.length < window * LEAST_OF_WINDOW) continue
    windows.push(sum)
    open = []
  }
  return windows
}

// The sampler's second is one within some milliseconds.
const LEAST_OF_WINDOW = 0.9

function sumOf(seconds: readonly VmSecond[]): VmSecond {
  return seconds.reduce(
    (sum, { length, operations, time }) => ({
      length: sum.length + length,
      operations: sum.operations + operations,
      time: sum.time + time,
    }),
    { length: 0, operations: 0, time: 0 },
  )
}

/** Within its bin a quantile lies where it would if the bin were filled evenly; in the open one at its lower bound. */
export function quantile({ boundaries, bins }: LatencyCounts, share: number): number | undefined {
  const rank = share * bins.reduce((sum, count) => sum + count, 0)
  if (rank === 0) return undefined
  let below = 0
  for (const [index, count] of bins.entries()) {
    if (below + count >= rank && count > 0) {
      const from = index === 0 ? 0 : boundaries[index - 1]!
      const to = boundaries[index] ?? from
      return (from + ((rank - below) / count) * (to - from)) / 1e9
    }
    below += count
  }
  return undefined
}
