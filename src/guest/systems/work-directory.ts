// How systems come into the state directory: built in a folder beside their place, and renamed into it when they are whole.
import { mkdir, readdir, rename, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, UnavailableError } from '../../lib/errors.ts'
import { pidExists } from '../../lib/process.ts'
import { formatBytes } from '../../lib/quantities.ts'

const BUILDING = 'building-'

/** A directory of this process's own; those that killed builds left behind are removed. */
export async function makeWorkDirectory(cacheDir: string): Promise<string> {
  await mkdir(cacheDir, { recursive: true })
  for (const entry of await readdir(cacheDir)) {
    const pid = entry.startsWith(BUILDING) && Number.parseInt(entry.slice(BUILDING.length), 10)
    if (pid && !pidExists(pid)) await rm(join(cacheDir, entry), { recursive: true, force: true })
  }
  const work = join(cacheDir, `${BUILDING}${process.pid}-${crypto.randomUUID()}`)
  await mkdir(work)
  return work
}

/** Renames a directory into its place; where another build was faster, its directory stays. */
export async function moveIn(made: string, place: string): Promise<void> {
  try {
    await rename(made, place)
  } catch (error) {
    if (codeOf(error) !== 'ENOTEMPTY' && codeOf(error) !== 'EEXIST') throw error
  }
}

/** Throws {@link UnavailableError} when what is to be built cannot be held; `what` is its name. */
export async function assertSpace(
  cacheDir: string,
  what: string,
  neededBytes: number,
): Promise<void> {
  const { bavail, bsize } = await statfs(cacheDir)
  if (bavail * bsize >= neededBytes) return
  throw new UnavailableError(
    `${cacheDir}: building ${what} needs ${formatBytes(neededBytes)} for a moment, ` +
      `${formatBytes(bavail * bsize)} are free: make room, or move the state directory`,
  )
}
