import { access, realpath, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Config, loadConfig } from '../config/load.ts'
import { removeOrphanVms } from '../guest/orphans.ts'
import { abandonCalibrations } from '../journal/calibrations.ts'
import { Journal } from '../journal/journal.ts'
import { lockState } from '../journal/lock.ts'
import { abandonRamps } from '../journal/ramps.ts'
import { recordEnd, unfinishedRuns } from '../journal/runs.ts'
import { codeOf } from '../lib/errors.ts'
import { findIoHierarchy, removeCgroup } from '../source/cgroup.ts'
import { removeCalibrationFiles } from '../storage/calibration/place.ts'
import { diskFiles } from '../storage/disk-record.ts'
import { removeOrphans } from '../storage/orphans.ts'
import { giveBackOrphans } from '../storage/passthrough.ts'
import { cgroupOf } from './cgroups.ts'
import { controlPath } from './control.ts'
import type { CommonOptions } from './options.ts'

/** Ends and removes what a killed kvmio left on this host. Files in tiers and the journal's finished runs stay. */
export async function clean({ configFile }: CommonOptions): Promise<void> {
  const { state, tiers } = await loadConfig(configFile)
  const exists = await access(state).then(
    () => true,
    () => false,
  )
  if (!exists) {
    process.stdout.write(`${state} does not exist: there is nothing to clean\n`)
    return
  }
  using _lock = lockState(state)
  const procRoot = '/proc'
  const hierarchy = await findIoHierarchy(procRoot)
  const cgroup = cgroupOf(state)
  const removed = [
    ...(await removeOrphanVms({
      procRoot,
      vmsDir: join(state, 'vms'),
      hierarchy,
      cgroup,
      keep: new Set(),
    })),
    ...(await giveBackOrphans({ stateDir: state, procRoot, sysRoot: '/sys' }, new Set())),
    ...(await removeFiles(state, tiers)),
    ...(await removeOrphans(state)),
    ...(await removeSocket(controlPath(state))),
    ...abandon(join(state, 'journal.sqlite')),
  ]
  if (hierarchy) await removeCgroup(hierarchy, cgroup)
  for (const line of removed) process.stdout.write(`${line}\n`)
  if (removed.length === 0) process.stdout.write('nothing was left behind\n')
}

/** What a calibration wrote to; on the disks that are still up it goes before they do. */
async function removeFiles(state: string, tiers: Config['tiers']): Promise<string[]> {
  const root = await realpath(state)
  const directories = Object.entries(tiers).flatMap(([name, { directory, filesystem }]) =>
    directory !== undefined ? [directory] : filesystem ? [diskFiles(root, name).mountPoint] : [],
  )
  const { removed, left } = await removeCalibrationFiles(directories, root)
  return [...removed, ...left]
}

async function removeSocket(path: string): Promise<string[]> {
  try {
    await rm(path)
    return [`removed the control socket ${path}`]
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}

function abandon(file: string): string[] {
  const journal = new Journal(file)
  try {
    const reason = 'ended by kvmio clean'
    const runs = unfinishedRuns(journal).map(({ id, study, caseName }) => {
      recordEnd(journal, id, { outcome: 'abandoned', reason })
      return `abandoned run ${id} (${study}, ${caseName})`
    })
    const tiers = abandonCalibrations(journal, reason)
    const ramps = abandonRamps(journal, reason)
    return [
      ...runs,
      ...tiers.map((tier) => `abandoned a calibration of tier ${tier}`),
      ...ramps.map(({ tier, guest }) => `abandoned a ramp of ${guest} on tier ${tier}`),
    ]
  } finally {
    journal.close()
  }
}
