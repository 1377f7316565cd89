// query-blockstats, qemu/qapi/block-core.json: BlockStats, BlockDeviceStats, BlockLatencyHistogramInfo, BlockStatsSpecific.
// timed_stats are left out: only -drive's stats-intervals makes them, and histograms say the same of any interval.
import { KvmioError } from '../lib/errors.ts'
import type { Qmp } from './qmp.ts'

/**
 * Counts of one operation of one drive. What failed is in no count but its own, and yet in the time and the histogram;
 * what was invalid is in nothing else, since it never began (qemu/block/accounting.c: block_account_one_io,
 * block_acct_invalid).
 */
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
  /** Present once block-latency-histogram-set was called; of unmaps there is none. */
  histogram?: LatencyBins
}

export interface LatencyBins {
  /** Nanoseconds, ascending; bin i is [boundary i-1, boundary i), the last one open. */
  boundaries: readonly number[]
  /** One more than boundaries; not cumulative. */
  bins: readonly number[]
}

export interface DriveStats {
  /** The id of the qemu device; where it has none, the name of its drive or its node. */
  id: string
  /** The path that block-latency-histogram-set wants as its id. */
  qdev: string
  read: OperationStats
  write: OperationStats
  flush: OperationStats
  /** qemu 4.2 and newer. */
  unmap?: OperationStats
  /** Of zoned disks, 0 on others; qemu 8.1 and newer. */
  zoneAppend?: OperationStats
  /** Since the last operation; absent before the first. */
  idleNanoseconds?: number
  /** Whether the times hold failed operations too; on by default. */
  accountsFailed: boolean
  /** Bytes. */
  highestOffset: number
  /** What holds the image: the lowest node that the drive's data goes through. Absent for an empty drive. */
  storage?: StorageStats
}

/** Counts of a node that holds data. */
export interface StorageStats {
  /** Of the image itself, bytes: where a qcow2 ends on a device that is larger. */
  highestOffset: number
  /** Of the drivers file and host_device. */
  discards?: { completed: number; failed: number; bytes: number }
  /** Of the driver nvme: https://www.qemu.org/docs/master/system/qemu-block-drivers.html#nvme-userspace-driver */
  nvme?: { completionErrors: number; alignedAccesses: number; unalignedAccesses: number }
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
  return answer.flatMap((entry: unknown) => {
    const { qdev, stats } = (entry ?? {}) as Answer
    if (typeof qdev !== 'string' || !isObject(stats)) return []
    return [parseDrive(qdev, entry as Answer, stats)]
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

type Answer = Record<string, unknown>

function parseDrive(qdev: string, entry: Answer, stats: Answer): DriveStats {
  const count = counter(qdev, stats)
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
  const sizedIfThere = (prefix: string) =>
    `${prefix}_operations` in stats ? sized(prefix) : undefined
  return {
    id: idOf(qdev, entry),
    qdev,
    read: sized('rd'),
    write: sized('wr'),
    flush: operation('flush'),
    unmap: sizedIfThere('unmap'),
    zoneAppend: sizedIfThere('zone_append'),
    idleNanoseconds: 'idle_time_ns' in stats ? count('idle_time_ns') : undefined,
    accountsFailed: stats.account_failed !== false,
    highestOffset: count('wr_highest_offset'),
    storage: parseStorage(qdev, entry),
  }
}

/** `parent` leads down to what holds the data; `backing` to the images that are only read. */
function parseStorage(qdev: string, node: Answer): StorageStats | undefined {
  const { parent, stats, 'node-name': name, 'driver-specific': specific } = node
  if (isObject(parent)) return parseStorage(qdev, parent)
  if (name === undefined || !isObject(stats)) return undefined
  const highestOffset = counter(qdev, stats)('wr_highest_offset')
  return { highestOffset, ...(isObject(specific) && parseSpecific(qdev, specific)) }
}

function parseSpecific(qdev: string, specific: Answer): Omit<StorageStats, 'highestOffset'> {
  const count = counter(qdev, specific)
  switch (specific.driver) {
    case 'file':
    case 'host_device':
      return {
        discards: {
          completed: count('discard-nb-ok'),
          failed: count('discard-nb-failed'),
          bytes: count('discard-bytes-ok'),
        },
      }
    case 'nvme':
      return {
        nvme: {
          completionErrors: count('completion-errors'),
          alignedAccesses: count('aligned-accesses'),
          unalignedAccesses: count('unaligned-accesses'),
        },
      }
    default:
      return {}
  }
}

function counter(qdev: string, stats: Answer): (key: string) => number {
  return (key) => {
    const value = stats[key]
    if (typeof value === 'number') return value
    const found = JSON.stringify(value) ?? 'nothing'
    throw new KvmioError(`query-blockstats: ${qdev}: ${key}: expected a number, got ${found}`)
  }
}

/**
 * virtio devices answer with `/machine/peripheral/ID/virtio-backend`, others with the plain id, and those without one with
 * a path such as `/machine/unattached/device[23]`, which says nothing.
 */
function idOf(qdev: string, { device, 'node-name': node }: Answer): string {
  if (!qdev.startsWith('/')) return qdev
  const id = /^\/machine\/peripheral\/([^/]+)/.exec(qdev)?.[1]
  const isName = (name: unknown): name is string => typeof name === 'string' && name !== ''
  return [id, device, node].find(isName) ?? qdev
}

function parseBins(value: unknown): LatencyBins | undefined {
  const { boundaries, bins } = (value ?? {}) as { boundaries?: unknown; bins?: unknown }
  if (!Array.isArray(boundaries) || !Array.isArray(bins)) return undefined
  return bins.length === boundaries.length + 1 ? { boundaries, bins } : undefined
}

function isObject(value: unknown): value is Answer {
  return typeof value === 'object' && value !== null
}
