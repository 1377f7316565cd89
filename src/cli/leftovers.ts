import { realpath } from 'node:fs/promises'
import { removeOrphanVms } from '../guest/orphans.ts'
import type { Log } from '../lib/log.ts'
import { type FunctionContext, giveBackOrphans } from '../storage/passthrough.ts'
import { removeOrphanVolumes, volumeTag } from '../storage/volume-group.ts'
import type { Cgroups } from './cgroups.ts'

export interface LeftoversContext {
  functions: FunctionContext
  vmsDir: string
  cgroups: Cgroups
  log: Log
}

/** Removes what a killed kvmio left of its vms, but for those that are kept, and says so. */
export async function removeLeftovers(
  { functions, vmsDir, cgroups, log }: LeftoversContext,
  keep: ReadonlySet<string>,
): Promise<void> {
  const { stateDir, procRoot } = functions
  const { hierarchy, own: cgroup } = cgroups
  const vms = await removeOrphanVms({ procRoot, vmsDir, hierarchy, cgroup, keep })
  // Once their vms have ended; later there are volumes that no vm has opened yet.
  const volumes = await removeOrphanVolumes(volumeTag(await realpath(stateDir)), procRoot)
  for (const line of [...vms, ...volumes.removed]) {
    log.info(`${line}, left by a kvmio that was killed`)
  }
  for (const line of await giveBackOrphans(functions, keep)) log.info(line)
  for (const line of volumes.left) log.warn(line)
}
