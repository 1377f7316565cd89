import { access, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { loadConfig } from '../config/load.ts'
import { removeOrphanVms } from '../guest/orphans.ts'
import { Journal } from '../journal/journal.ts'
import { lockState } from '../journal/lock.ts'
import { recordEnd, unfinishedRuns } from '../journal/runs.ts'
import { codeOf } from '../lib/errors.ts'
import { findIoHierarchy, removeCgroup } from '../source/cgroup.ts'
import { removeOrphans } from '../storage/orphans.ts'
import { giveBackOrphans } from '../storage/passthrough.ts'
import { cgroupOf } from './cgroups.ts'
import { controlPath } from './control.ts'
import type { CommonOptions } from './options.ts'

/** Ends and removes what a killed kvmio left on this host. Files in tiers and the journal's finished runs stay. */
export async function clean({ configFile }: CommonOptions): Promise<void> {
  const { state } = await loadConfig(configFile)
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
    ...(await removeOrphans(state)),
    ...(await removeSocket(controlPath(state))),
    ...abandonRuns(join(state, 'journal.sqlite')),
  ]
  if (hierarchy) await removeCgroup(hierarchy, cgroup)
  for (const line of removed) process.stdout.write(`${line}\n`)
  if (removed.length === 0) process.stdout.write('nothing was left behind\n')
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

function abandonRuns(file: string): string[] {
  const journal = new Journal(file)
  try {
    return unfinishedRuns(journal).map(({ id, study, caseName }) => {
      recordEnd(journal, id, { outcome: 'abandoned', reason: 'ended by kvmio clean' })
      return `abandoned run ${id} (${study}, ${caseName})`
    })
  } finally {
    journal.close()
  }
}
