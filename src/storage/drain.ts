import { setTimeout as sleep } from 'node:timers/promises'
import { DeadlineError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { readMeminfo } from '../source/proc.ts'

const FLOOR_BYTES = 2 ** 20
const LIMIT_MS = 30_000
const POLL_MS = 100
// What has not become less for so long is written by others, who go on.
const STILL_MS = 3_000

export interface Written {
  /** Where images are. */
  directories: readonly string[]
  /** The paths of those that are block devices, without a filesystem of this host. */
  devices?: readonly string[]
}

/**
 * Waits until what was written has reached the devices: syncfs of each tier, fsync of each device. A sync of everything would
 * wait for a neighbour's dead disk too.
 */
export async function syncAll({ directories, devices = [] }: Written): Promise<void> {
  for (const directory of directories) {
    await sync(['--file-system', directory], `the filesystem of ${directory}`)
  }
  for (const device of devices) await sync([device], device)
}

export interface DrainOptions extends Written {
  /** Whether the host's page cache stands between the guests and the device. */
  hostCached: boolean
  procRoot: string
  signal: AbortSignal
}

/**
 * The same and, where writes are host-cached, until Dirty and Writeback of /proc/meminfo are below a floor, or no longer
 * becoming less: they are the whole host's, and what others write is not to fall into what is measured next.
 */
export async function drain({ hostCached, procRoot, signal, ...written }: DrainOptions) {
  await syncAll(written)
  if (hostCached) await pageCacheDrained(procRoot, signal)
}

async function pageCacheDrained(procRoot: string, signal: AbortSignal): Promise<void> {
  const start = performance.now()
  let [least, leastAt] = [Number.POSITIVE_INFINITY, start]
  while (!signal.aborted) {
    const { dirtyBytes, writebackBytes } = await readMeminfo(procRoot)
    const now = performance.now()
    const left = dirtyBytes + writebackBytes
    if (left < least) [least, leastAt] = [left, now]
    if (left < FLOOR_BYTES || now - leastAt > STILL_MS || now - start > LIMIT_MS) return
    await sleep(POLL_MS)
  }
}

/** A sync on a dead disk cannot even be killed, so the limit is kept here. */
async function sync(args: readonly string[], what: string): Promise<void> {
  const late = new AbortController()
  const limit = sleep(LIMIT_MS, undefined, { signal: late.signal }).then(() => {
    throw new DeadlineError(`${what} was not synced in ${LIMIT_MS / 1000} s`)
  })
  try {
    await Promise.race([run('sync', args), limit])
  } finally {
    late.abort()
    limit.catch(() => {})
  }
}
