import type { DriveConfig } from '../config/drive-schema.ts'

/** What a cache mode means. */
export interface CacheMode {
  /** O_DIRECT: what qemu issues is what the device gets. */
  direct: boolean
  /** Flushes are swallowed. */
  noFlush: boolean
  /** Whether the guest sees a write cache that it has to flush. */
  writeCache: boolean
}

// cache= of -drive, as https://www.qemu.org/docs/master/system/qemu-block-drivers.html has it: O_DIRECT and no-flush
// belong to the nodes, the write cache that the guest sees to the device.
/** By mode. */
export const CACHE_MODES: Record<DriveConfig['cache'], CacheMode> = {
  writeback: { direct: false, noFlush: false, writeCache: true },
  none: { direct: true, noFlush: false, writeCache: true },
  writethrough: { direct: false, noFlush: false, writeCache: false },
  directsync: { direct: true, noFlush: false, writeCache: false },
  unsafe: { direct: false, noFlush: true, writeCache: true },
}

/** Whether the host's page cache stands between the guest and the device. */
export function isHostCached({ cache }: Pick<DriveConfig, 'cache'>): boolean {
  return !CACHE_MODES[cache].direct
}
