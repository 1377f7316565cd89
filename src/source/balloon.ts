// The virtio balloon over QMP: https://www.qemu.org/docs/master/interop/virtio-balloon-stats.html, qapi/machine.json
import { KvmioError } from '../lib/errors.ts'
import type { Qmp } from './qmp.ts'

/** The id of a vm's balloon device. */
export const BALLOON_ID = 'balloon'
const PATH = `/machine/peripheral/${BALLOON_ID}`

/** What a vm's balloon has come to. */
export interface BalloonState {
  /** What the balloon leaves the guest. */
  actualBytes: number
  /** Absent until the guest's driver has answered once. */
  guest?: GuestMemory
}

/** What the guest's own kernel says of its memory; a figure that its driver does not give is absent. */
export interface GuestMemory {
  /** When the driver answered last, as Unix seconds by the host's clock. */
  updatedTime: number
  /** All that the kernel uses; its own image and page tables are not in it, and a balloon does not lower it. */
  totalBytes?: number
  freeBytes?: number
  /** Could be had without swapping: MemAvailable of the guest's /proc/meminfo. */
  availableBytes?: number
  /** Page cache. */
  diskCachesBytes?: number
  /** Page faults that had to wait for a disk, since boot. */
  majorFaults?: number
}

/** Asks a qemu that has the device for both halves at once: 0.6 ms each. One that hangs is waited for once. */
export async function readBalloon(qmp: Qmp, timeoutMs?: number): Promise<BalloonState> {
  const [balloon, stats] = await Promise.all([
    qmp.query('query-balloon', undefined, timeoutMs),
    qmp.query('qom-get', { path: PATH, property: 'guest-stats' }, timeoutMs),
  ])
  const guest = parseGuestStats(stats)
  return { actualBytes: parseBalloon(balloon), ...(guest ? { guest } : {}) }
}

/** Says how much memory the guest is to be left with; its driver follows when it is there. */
export async function setBalloonTarget(qmp: Qmp, bytes: number): Promise<void> {
  await qmp.command('balloon', { value: bytes })
}

export function parseBalloon(answer: unknown): number {
  const { actual } = (answer ?? {}) as { actual?: unknown }
  if (typeof actual === 'number' && Number.isSafeInteger(actual) && actual >= 0) return actual
  throw new KvmioError(
    `query-balloon: actual: expected a number of bytes, got ${JSON.stringify(actual) ?? 'nothing'}`,
  )
}

/** Undefined when the guest has never answered. */
export function parseGuestStats(answer: unknown): GuestMemory | undefined {
  const { stats, 'last-update': updatedTime } = (answer ?? {}) as Record<string, unknown>
  if (typeof stats !== 'object' || stats === null || typeof updatedTime !== 'number') {
    const found = JSON.stringify(answer)?.slice(0, 80) ?? 'nothing'
    throw new KvmioError(`qom-get guest-stats: expected stats and last-update, got ${found}`)
  }
  if (updatedTime === 0) return undefined
  const memory: GuestMemory = { updatedTime }
  for (const [key, name] of Object.entries(STATS)) {
    const value = (stats as Record<string, unknown>)[name]
    // What the guest did not give is 2^64 - 1, which JSON makes 2^64.
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) continue
    memory[key as keyof typeof STATS] = value
  }
  return memory
}

const STATS = {
  totalBytes: 'stat-total-memory',
  freeBytes: 'stat-free-memory',
  availableBytes: 'stat-available-memory',
  diskCachesBytes: 'stat-disk-caches',
  majorFaults: 'stat-major-faults',
} as const
