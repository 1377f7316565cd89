// query-blockstats, qemu/qapi/block-core.json: BlockStats, BlockDeviceStats, BlockLatencyHistogramInfo.
import { KvmioError } from '../lib/errors.ts'
import type { Qmp } from './qmp.ts'

/** Counts of one operation of one drive. */
export interface OperationStats {
  /** Completed operations that the guest asked for, merged ones included. */
  operations: number
  /** Absent for flushes. */
  bytes?: number
  nanoseconds: number
  /** Absent for flushes. */
  merged?: number
  failed: number
  invalid: number
  /** Present once block-latency-histogram-set was called. */
  histogram?: LatencyBins
}

export interface LatencyBins {
  /** Nanoseconds, ascending; bin i is [boundary i-1, boundary i), the last one open. */
  boundaries: readonly number[]
  /** One more than boundaries; not cumulative. */
  bins: readonly number[]
}

export interface DriveStats {
  /** The id of the qemu device. */
  id: string
  /** The path that block-latency-histogram-set wants as its id. */
  qdev: string
  read: OperationStats
  write: OperationStats
  flush: OperationStats
  unmap: OperationStats
  /** Bytes. */
  highestOffset: number
}

/** Asks one qemu for the counters of all its drives. */
export async function readBlockStats(qmp: Qmp): Promise<DriveStats[]> {
  return parseBlockStats(await qmp.command('query-blockstats'))
}

/** The same for who asks again and again: a qemu that hangs is waited for once. */
export async function pollBlockStats(qmp: Qmp, timeoutMs: number): Promise<DriveStats[]> {
  return parseBlockStats(await qmp.query('query-blockstats', undefined, timeoutMs))
}

/** Entries without a qdev (no device is attached) are left out. */
export function parseBlockStats(answer: unknown): DriveStats[] {
  if (!Array.isArray(answer))
    throw new KvmioError(`query-blockstats: expected a list, got ${typeof answer}`)
  return answer.flatMap((entry: Record<string, unknown>) => {
    const { qdev, stats } = entry ?? {}
    if (typeof qdev !== 'string' || typeof stats !== 'object' || stats === null) return []
    return [parseDrive(qdev, stats as Record<string, unknown>)]
  })
}

/** Sets the boundaries of the latency histograms of a drive, which zeroes them. */
export async function armHistograms(
  qmp: Qmp,
  qdev: string,
  boundaries: readonly number[],
): Promise<void> {
  await qmp.command('block-latency-histogram-set', { id: qdev, boundaries })
}

function parseDrive(qdev: string, stats: Record<string, unknown>): DriveStats {
  const count = (key: string): number => {
    const value = stats[key] ?? 0 // unmap_* came with qemu 4.2
    if (typeof value === 'number') return value
    throw new KvmioError(
      `query-blockstats: ${qdev}: ${key}: expected a number, got ${JSON.stringify(value)}`,
    )
  }
  const operation = (prefix: string): OperationStats => ({
    operations: count(`${prefix}_operations`),
    nanoseconds: count(`${prefix}_total_time_ns`),
    failed: count(`failed_${prefix}_operations`),
    invalid: count(`invalid_${prefix}_operations`),
    histogram: parseBins(stats[`${prefix}_latency_histogram`]),
  })
  const sized = (prefix: string): OperationStats => ({
    ...operation(prefix),
    bytes: count(`${prefix}_bytes`),
    merged: count(`${prefix}_merged`),
  })
  return {
    id: idOf(qdev),
    qdev,
    read: sized('rd'),
    write: sized('wr'),
    flush: operation('flush'),
    unmap: sized('unmap'),
    highestOffset: count('wr_highest_offset'),
  }
}

/** virtio devices answer with `/machine/peripheral/ID/virtio-backend`, others with the plain id. */
function idOf(qdev: string): string {
  return /^\/machine\/peripheral\/([^/]+)/.exec(qdev)?.[1] ?? qdev
}

function parseBins(value: unknown): LatencyBins | undefined {
  const { boundaries, bins } = (value ?? {}) as { boundaries?: unknown; bins?: unknown }
  if (!Array.isArray(boundaries) || !Array.isArray(bins)) return undefined
  return bins.length === boundaries.length + 1 ? { boundaries, bins } : undefined
}
