import { setTimeout as sleep } from 'node:timers/promises'

/** What a promise gives, or undefined when the time is over first. It goes on meanwhile: a process that waits for a disk cannot be killed. */
export async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  const timer = new AbortController()
  const late = sleep(ms, undefined, { signal: timer.signal }).catch(() => undefined)
  try {
    return await Promise.race([promise, late])
  } finally {
    timer.abort()
  }
}
