// What a trace says was done, by whom: bios as they were queued, cut into pieces, merged into requests, and ended.
import type { TraceEvent } from './trace.ts'

export interface Transactions {
  reads: number
  readBytes: number
  writes: number
  writtenBytes: number
}

/** What the bios of one cgroup or thread group became. */
export interface Submitted {
  /** As they were queued; an empty flush is a write of no bytes. */
  bios: Transactions
  /** Pieces that were cut off a bio. */
  splits: number
  /** Bios that became part of a request which was there. */
  merges: number
  /** Bios without data, to flush. */
  emptyFlushes: number
  /** Requests that were begun. */
  requests: number
  /** Who did it: names of threads. */
  names: ReadonlySet<string>
}

/** Events of a stretch of time, `to` not included. */
export function between(events: readonly TraceEvent[], from: bigint, to: bigint): TraceEvent[] {
  return events.filter(({ at }) => at >= from && at < to)
}

/**
 * Leaves out the first of two ends. A write with data that also flushes, on a device which cannot do both at once, goes
 * through a step for its data, and the end of that is traced as well (block/blk-flush.c: mq_flush_data_end_io); the
 * device's counters have the last one alone (block/blk-mq.c: blk_account_io_done).
 */
export function withoutSteps(events: readonly TraceEvent[]): TraceEvent[] {
  const steps = new Map<number, number>()
  return events.filter((event) => {
    const { kind, sector, sectors, rwbs } = event
    const expected = steps.get(sector) ?? 0
    if (kind === 'start' && sectors > 0 && /^F|^[RWD]F/.test(rwbs)) steps.set(sector, expected + 1)
    if (kind !== 'done' || expected === 0 || !isWrite(event)) return true
    steps.set(sector, expected - 1)
    return false
  })
}

/** Sorts what was submitted by whose it is: a key for each event. */
export function submittedBy<K>(
  events: readonly TraceEvent[],
  key: (event: TraceEvent) => K,
): Map<K, Submitted> {
  const groups = new Map<K, TraceEvent[]>()
  for (const event of events) {
    if (event.kind === 'done') continue // it ends in whoever's time it is
    const whose = key(event)
    const group = groups.get(whose)
    if (group) group.push(event)
    else groups.set(whose, [event])
  }
  return new Map([...groups].map(([whose, group]) => [whose, submitted(group)]))
}

/** Nobody's. */
export const NOTHING: Submitted = submitted([])

function submitted(events: readonly TraceEvent[]): Submitted {
  const of = (kind: TraceEvent['kind']) => events.filter((event) => event.kind === kind)
  const bios = of('bio')
  const [reads, writes] = [bios.filter(isRead), bios.filter(isWrite)]
  return {
    bios: {
      reads: reads.length,
      readBytes: bytesOf(reads),
      writes: writes.length,
      writtenBytes: bytesOf(writes),
    },
    splits: of('split').length,
    merges: of('backmerge').length + of('frontmerge').length + of('requestmerge').length,
    emptyFlushes: bios.filter(({ rwbs, sectors }) => rwbs.startsWith('F') && sectors === 0).length,
    requests: of('start').length,
    names: new Set(bios.map(({ comm }) => comm)),
  }
}

/** What the device ended; flushes are the device's own, which several bios may share (block/blk-flush.c). */
export function ended(events: readonly TraceEvent[]): {
  reads: number
  writes: number
  flushes: number
} {
  const done = events.filter(({ kind }) => kind === 'done')
  return {
    reads: done.filter(isRead).length,
    writes: done.filter(isWrite).length,
    flushes: done.filter(isFlushRequest).length,
  }
}

/** The mean number of requests in flight between two moments, from when each was begun and ended alone. */
export function meanInFlight(events: readonly TraceEvent[], from: bigint, to: bigint): number {
  const within = (at: bigint) => (at < from ? from : at > to ? to : at)
  let inFlight = 0
  let last = from
  let area = 0
  for (const event of events) {
    // The flush machinery ends what it never began.
    if ((event.kind !== 'start' && event.kind !== 'done') || isFlushRequest(event)) continue
    const now = within(event.at)
    area += inFlight * Number(now - last)
    last = now
    inFlight += event.kind === 'start' ? 1 : -1
  }
  area += inFlight * Number(to - last)
  return area / Number(to - from)
}

/** blk_fill_rwbs(): F before the operation is a flush before it, and FF a flush itself. */
function isFlushRequest({ rwbs }: Pick<TraceEvent, 'rwbs'>): boolean {
  return rwbs.startsWith('FF')
}

function operation({ rwbs }: Pick<TraceEvent, 'rwbs'>): string {
  return isFlushRequest({ rwbs }) ? 'F' : rwbs.replace(/^F(?=.)/, '').charAt(0)
}

function isRead(event: TraceEvent): boolean {
  return operation(event) === 'R'
}

function isWrite(event: TraceEvent): boolean {
  return operation(event) === 'W'
}

const SECTOR_BYTES = 512

function bytesOf(events: readonly TraceEvent[]): number {
  return events.reduce((sum, { sectors }) => sum + sectors * SECTOR_BYTES, 0)
}
