import type { LayerCount } from '../journal/layer-counts.ts'

/** The counters of one block device since the host's boot. */
export interface DeviceCounts {
  device: string
  /** MAJ:MIN. */
  number: string
  reads: number
  readBytes: number
  writes: number
  writtenBytes: number
  /** Absent where the kernel does not count them. */
  flushes?: number
  discards?: number
  discardedBytes?: number
  /** How long its requests took, summed over them, seconds. */
  operationSeconds?: number
  /** The requests under way, summed over time: request-seconds. */
  queueSeconds?: number
}

type CountKey = Exclude<
  keyof DeviceCounts,
  'device' | 'number' | 'operationSeconds' | 'queueSeconds'
>

/** What the devices did between two readings; nothing of one that is not in both, or has begun again. */
export function deviceLayer(
  before: readonly DeviceCounts[],
  after: readonly DeviceCounts[],
): LayerCount[] {
  return before.flatMap((old) => {
    const now = after.find(({ device, number }) => device === old.device && number === old.number)
    if (!now || now.reads < old.reads || now.writes < old.writes) return []
    const since = (key: CountKey) => {
      const [from, to] = [old[key], now[key]]
      return from === undefined || to === undefined ? undefined : to - from
    }
    const count: LayerCount = {
      layer: 'device',
      name: old.device,
      reads: since('reads'),
      readBytes: since('readBytes'),
      writes: since('writes'),
      writtenBytes: since('writtenBytes'),
      // A partition has none for ever, which is not that nothing was flushed.
      flushes: now.flushes === 0 ? undefined : since('flushes'),
      discards: since('discards'),
      discardedBytes: since('discardedBytes'),
    }
    return [count]
  })
}

/** Reads, writes and discards: what kvmio calls transactions. */
export function transactionsOf({
  reads = 0,
  writes = 0,
  discards = 0,
}: Partial<LayerCount>): number {
  return reads + writes + discards
}
