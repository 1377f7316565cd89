import { stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** Settles when a file has not grown for so long, from now on; or when it is told to look no longer. */
export async function silence(file: string, limitMs: number, signal: AbortSignal): Promise<void> {
  const began = Date.now()
  for (;;) {
    await sleep(limitMs / 100, undefined, { signal }).catch(() => {})
    if (signal.aborted) return
    const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: began }))
    if (Date.now() - Math.max(began, mtimeMs) > limitMs) return
  }
}
