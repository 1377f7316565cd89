import { readdir, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../../lib/errors.ts'

/** What kvmio builds in its cache, each under the hash of what it is made from. */
const BUILT = /^(appliance|debian|packages)-[0-9a-f]{16}$/
const BLOCK_BYTES = 512

export interface ImageLimits {
  /** Seconds since a run has used it; for ever when absent. */
  age?: number
  /** Bytes on the disk of all of them; without a limit when absent. */
  size?: number
}

/** Notes that a run uses what was built in this folder; where it may only be read, nobody removes it either. */
export async function markUsed(directory: string): Promise<void> {
  const now = new Date()
  try {
    await utimes(directory, now, now)
  } catch (error) {
    if (!['EROFS', 'EACCES', 'EPERM'].includes(codeOf(error) ?? '')) throw error
  }
}

/**
 * Removes systems that kvmio built and that nobody has used for too long, and the longest unused while they take too
 * much; none of those that were used in the last day. It builds them again when they are asked for. Gives their names.
 */
export async function pruneImages(
  cacheDir: string,
  { age, size }: ImageLimits,
  now: number,
): Promise<string[]> {
  const built = (await builtIn(cacheDir)).toSorted((a, b) => a.usedAt - b.usedAt)
  let total = built.reduce((sum, { bytes }) => sum + bytes, 0)
  const removed: string[] = []
  for (const { name, usedAt, bytes } of built) {
    const unused = now - usedAt
    const isOld = age !== undefined && unused > age
    const isTooMuch = size !== undefined && total > size
    if (unused < DAY || !(isOld || isTooMuch)) continue
    await rm(join(cacheDir, name), { recursive: true, force: true })
    removed.push(name)
    total -= bytes
  }
  return removed
}

const DAY = 86_400

interface Built {
  name: string
  /** Unix seconds. */
  usedAt: number
  bytes: number
}

async function builtIn(cacheDir: string): Promise<Built[]> {
  const names = (await namesIn(cacheDir)).filter((name) => BUILT.test(name))
  return await Promise.all(
    names.map(async (name) => {
      const directory = join(cacheDir, name)
      const files = await Promise.all(
        (await namesIn(directory)).map((file) => stat(join(directory, file))),
      )
      const bytes = files.reduce((sum, { blocks }) => sum + blocks * BLOCK_BYTES, 0)
      return { name, usedAt: (await stat(directory)).mtimeMs / 1000, bytes }
    }),
  )
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}
