import { median } from 'simple-statistics'
import { transactions } from './measures.ts'
import type { CaseFacts, RunResult } from './record.ts'

// Whether the transactions of a run can contain its bytes. The paper's do not: 5 a second over 150 s are 750, and 2 GiB
// in 750 requests are 2.9 MB each, where kernels of that age made none above 512 KiB.

/**
 * The largest request that is assumed: Linux' default limit since 9b8b84879d4a ("block: Increase BLK_DEF_MAX_SECTORS_CAP",
 * 2025); before that it was 1,280 KiB. A device's own (/sys/block/DEVICE/queue/max_sectors_kb) may be smaller, and cannot be
 * read while an emulated disk serves a slow request.
 */
export const LARGEST_REQUEST = 4096 * 1024

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
  const least = of(({ bytes, seconds }) => bytes / LARGEST_REQUEST / seconds)
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
    leastTransactionsPerSecond: least,
    contains: rate >= least,
    ...(pairs.length > 0 && {
      conserved: pairs.every(({ written, guestBytes }) => written >= guestBytes!),
    }),
  }
}
