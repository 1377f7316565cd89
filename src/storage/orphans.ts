import { readdir, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { codeOf } from '../lib/errors.ts'
import { readMounts } from '../source/mounts.ts'
import { diskFiles } from './disk-record.ts'
import { type TeardownContext, takeDownDisk } from './disk-teardown.ts'
import { backingFiles } from './loop.ts'
import { releaseOrphanDevice } from './raw-device.ts'
import { removeOrphanVolumes, volumeTag } from './volume-group.ts'

/**
 * Takes down whatever disk of this state directory is still up, whether or not a record names it, and removes its
 * logical volumes. Returns a line for each thing removed and for each that could not be. Files stay.
 */
export async function removeOrphans(
  stateDir: string,
  context: TeardownContext = { procRoot: '/proc', sysRoot: '/sys' },
): Promise<string[]> {
  const root = await realpath(stateDir).catch((error) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  })
  if (root === undefined) return []
  const lines: string[] = []
  for (const name of await namesOf(root, context)) {
    const disk = await takeDownDisk(diskFiles(root, name), name, context)
    const device = await releaseOrphanDevice(name, { ...context, stateDir: root })
    lines.push(...disk.removed, ...disk.left, ...device.removed, ...device.left)
  }
  const { removed, left } = await removeOrphanVolumes(volumeTag(root), context.procRoot)
  return [...lines, ...removed, ...left]
}

/** By folder, by mount and by loop device. */
async function namesOf(root: string, { procRoot, sysRoot }: TeardownContext): Promise<string[]> {
  const [folders, mounts, files] = await Promise.all([
    readdir(join(root, 'tiers')).catch(() => []),
    readMounts(procRoot),
    backingFiles(sysRoot),
  ])
  const below = join(root, 'tiers') + sep
  const paths = [...mounts.map(({ mountPoint }) => mountPoint), ...files.values()].filter((path) =>
    path.startsWith(below),
  )
  const names = paths.map((path) => path.slice(below.length).split(sep)[0]!)
  return [...new Set([...folders, ...names])].sort()
}
