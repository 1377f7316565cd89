import { median } from 'simple-statistics'
import { transactions } from './measures.ts'
import type { CaseFacts, RunResult } from './record.ts'

// Whether the transactions of a run can contain its bytes. The paper's do not: 5 a second over 150 s are 750, and 2 GiB
// in 750 requests are 2.9 MB each, where kernels of that age made none above 512 KiB.

/**
 * Linux' default limit on a request since 9b8b84879d4a ("block: Increase BLK_DEF_MAX_SECTORS_CAP", 2025), before which it was
 * 1,280 KiB: the most lenient assumption where /sys/block/DEVICE/queue/max_sectors_kb was not read.
 */
export const ASSUMED_LARGEST_REQUEST = 4096 * 1024

/** Medians over a case's passed runs. */
export interface Arithmetic {
  case: string
  runs: number
  /** What the guests wrote, by their own or by qemu's counters. */
  guestWrittenBytes?: number
  deviceWrittenBytes: number
  deviceTransactions: number
  seconds: number
  transactionsPerSecond: number
  bytesPerTransaction: number
  /** The largest request that the device takes, and whether that was read or assumed. */
  largestRequestBytes: number
  largestRequestKnown: boolean
  /** The fewest transactions per second that can hold the device's bytes in that time. */
  leastTransactionsPerSecond: number
  /** Whether what was counted is at least that. */
  contains: boolean
  /** Whether the device was given at least what the guests wrote; absent where that is not known. */
  conserved?: boolean
}

export function arithmeticOf(
  cases: readonly CaseFacts[],
  runs: readonly RunResult[],
): Arithmetic[] {
  return cases.flatMap(({ name }) => {
    const own = runs.filter((run) => run.case === name && run.outcome === 'passed')
    return ofCase(name, own) ?? []
  })
}

function ofCase(name: string, runs: readonly RunResult[]): Arithmetic | undefined {
  const counted = runs.flatMap(({ layers: { device, guest, qemu }, seconds }) => {
    const done = transactions(device)
    if (!device || done === undefined || seconds <= 0) return []
    const bytes = (device.readBytes ?? 0) + (device.writtenBytes ?? 0)
    const guestBytes = guest?.writtenBytes ?? qemu?.writtenBytes
    return [{ done, bytes, written: device.writtenBytes ?? 0, guestBytes, seconds }]
  })
  if (counted.length === 0) return undefined
  const of = (take: (run: (typeof counted)[number]) => number) => median(counted.map(take))
  const largest = runs.find(({ largestRequestBytes }) => largestRequestBytes)?.largestRequestBytes
  const largestRequestBytes = largest ?? ASSUMED_LARGEST_REQUEST
  const least = of(({ bytes, seconds }) => bytes / largestRequestBytes / seconds)
  const rate = of(({ done, seconds }) => done / seconds)
  const guestWritten = counted.flatMap(({ guestBytes }) => guestBytes ?? [])
  const pairs = counted.filter(({ guestBytes }) => guestBytes !== undefined)
  return {
    case: name,
    runs: counted.length,
    ...(guestWritten.length > 0 && { guestWrittenBytes: median(guestWritten) }),
    deviceWrittenBytes: of(({ written }) => written),
    deviceTransactions: of(({ done }) => done),
    seconds: of(({ seconds }) => seconds),
    transactionsPerSecond: rate,
    bytesPerTransaction: of(({ bytes, done }) => (done === 0 ? 0 : bytes / done)),
    largestRequestBytes,
    largestRequestKnown: largest !== undefined,
    leastTransactionsPerSecond: least,
    contains: rate >= least,
    ...(pairs.length > 0 && {
      conserved: pairs.every(({ written, guestBytes }) => written >= guestBytes!),
    }),
  }
}
