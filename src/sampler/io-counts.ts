/** The counts that every layer has. */
export interface IoCounts {
  readsCompleted: number
  readBytes: number
  writesCompleted: number
  writtenBytes: number
}

const KEYS = ['readsCompleted', 'readBytes', 'writesCompleted', 'writtenBytes'] as const

export const NO_IO: IoCounts = {
  readsCompleted: 0,
  readBytes: 0,
  writesCompleted: 0,
  writtenBytes: 0,
}

export function plus(a: IoCounts, b: IoCounts): IoCounts {
  return combine(a, b, (x, y) => x + y)
}

/** What has come since; a counter that fell has begun again. */
export function since(before: IoCounts, now: IoCounts): IoCounts {
  return combine(before, now, (old, value) => (value < old ? value : value - old))
}

/** What is left of `a`, never below 0. */
export function remainder(a: IoCounts, b: IoCounts): IoCounts {
  return combine(a, b, (x, y) => Math.max(0, x - y))
}

/**
 * How much of a surplus may still reach the device: what it has in flight, and what vms began since it was read. The rest
 * never will, since requests that were merged end as one.
 */
export function pending(surplus: IoCounts, fresh: IoCounts, inFlight: number): IoCounts {
  const requests = (count: number, begun: number) => Math.min(count, begun + inFlight)
  const bytes = (count: number, begun: number) => (inFlight > 0 ? count : Math.min(count, begun))
  return {
    readsCompleted: requests(surplus.readsCompleted, fresh.readsCompleted),
    readBytes: bytes(surplus.readBytes, fresh.readBytes),
    writesCompleted: requests(surplus.writesCompleted, fresh.writesCompleted),
    writtenBytes: bytes(surplus.writtenBytes, fresh.writtenBytes),
  }
}

function combine(a: IoCounts, b: IoCounts, by: (x: number, y: number) => number): IoCounts {
  return Object.fromEntries(KEYS.map((key) => [key, by(a[key], b[key])])) as unknown as IoCounts
}
