import type { Log } from '../lib/log.ts'
import type { IoHierarchy } from '../source/cgroup.ts'

/** What a tier needs from the world around it. */
export interface TierContext {
  /** The state directory, without symbolic links: /proc and /sys show it that way. */
  stateDir: string
  procRoot: string
  sysRoot: string
  log: Log
  /** Where the cgroups of emulated disks are made. */
  cgroups?: { hierarchy: IoHierarchy; parent: string }
  /** How long unmounting may write to the disk before the disk is taken from under it; a minute by default. */
  unmountMs?: number
  signal?: AbortSignal
}
