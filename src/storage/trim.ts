import type { Log } from '../lib/log.ts'
import { run } from '../lib/process.ts'
import type { OpenTier } from './tiers.ts'

const LIMIT_MS = 60_000

/**
 * Tells the device under a filesystem that kvmio made which blocks are free, so that one run's images are not what the
 * next one finds; fstrim(8). Where the filesystem or the device has no discard, nothing is done.
 */
export async function trim({ tier, disk }: OpenTier, log: Log): Promise<void> {
  if (!disk || tier.directory === undefined || tier.unavailable !== undefined) return
  try {
    await run('fstrim', [tier.directory], { timeoutMs: LIMIT_MS })
  } catch (error) {
    log.debug({ tier: tier.name, err: error }, 'not trimmed')
  }
}
