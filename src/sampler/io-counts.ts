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

function combine(a: IoCounts, b: IoCounts, by: (x: number, y: number) => number): IoCounts {
  return Object.fromEntries(KEYS.map((key) => [key, by(a[key], b[key])])) as unknown as IoCounts
}
