// The host's page cache before the vms of a run start: https://docs.kernel.org/admin-guide/sysctl/vm.html#drop-caches
import { access, constants, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf, KvmioError, UnavailableError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { formatBytes } from '../lib/quantities.ts'
import { readCacheDrops, readMeminfo } from '../source/proc.ts'
import { drain } from './drain.ts'
import { forgetMakers } from './inode-maker.ts'

const DROP_ALL = '3' // the pages, and the names and inodes of files
const TRIES = 5
const BETWEEN_MS = 200
const READ_BYTES = 2 ** 20

export interface HostCacheOptions {
  hostCache: 'warm' | 'cold'
  /** Of the images. */
  directories: readonly string[]
  /** The files that are to be in the page cache, or not. */
  files: readonly string[]
  /** Of the files, or beside them: those whose makers are to be forgotten, so that they are their vms' alone. */
  disowned: readonly string[]
  /** Whether the vms write through the page cache. */
  hostCached: boolean
  procRoot: string
  signal: AbortSignal
}

/**
 * Sees to it that the vms start as the study says: what was written before is on its device; then either nothing of the
 * files is in the page cache, or all that they hold. Throws where that cannot be had.
 */
export async function prepareHostCache(options: HostCacheOptions): Promise<void> {
  const { hostCache, directories, files, disowned, hostCached, procRoot, signal } = options
  const cold = hostCache === 'cold'
  await drain({ directories, hostCached: hostCached || cold, procRoot, signal })
  if (cold) return await makeCold(files, procRoot)
  await forgetMakers(disowned, procRoot)
  await makeWarm(files, procRoot, signal)
}

/** Why this host's page cache cannot be emptied; undefined when it can. */
export async function coldProblem(procRoot: string): Promise<string | undefined> {
  const file = dropFile(procRoot)
  try {
    await access(file, constants.W_OK)
    return undefined
  } catch (error) {
    return `hostCache cold empties the host's page cache, which takes root and a writable ${file} (${codeOf(error)})`
  }
}

/** How often the host's page cache was emptied by hand since it booted; undefined where its kernel does not count that. */
export async function timesEmptied(procRoot: string): Promise<number | undefined> {
  return await readCacheDrops(procRoot)
}

/** How many bytes of the files are in the page cache. */
export async function cachedBytes(files: readonly string[]): Promise<number> {
  if (files.length === 0) return 0
  const args = ['--bytes', '--noheadings', '--raw', '--output', 'RES', ...files]
  const lines = (await run('fincore', args)).trim().split('\n')
  return lines.reduce((sum, line) => sum + Number(line), 0)
}

async function makeCold(files: readonly string[], procRoot: string): Promise<void> {
  // A page that is written to or mapped at that moment stays.
  for (let tries = 1; ; tries++) {
    await dropCaches(procRoot)
    const left = await cachedBytes(files)
    if (left === 0) return
    if (tries === TRIES) {
      const what = `of ${files.join(', ')}`
      throw new KvmioError(
        `hostCache cold: ${formatBytes(left)} ${what} stay in the host's page cache: on tmpfs, or in use by another program`,
      )
    }
    await sleep(BETWEEN_MS)
  }
}

async function dropCaches(procRoot: string): Promise<void> {
  try {
    await writeFile(dropFile(procRoot), DROP_ALL)
  } catch (error) {
    throw new UnavailableError((await coldProblem(procRoot)) ?? `hostCache cold: ${error}`, {
      cause: error,
    })
  }
}

function dropFile(procRoot: string): string {
  return join(procRoot, 'sys/vm/drop_caches')
}

interface Extent {
  file: string
  start: number
  length: number
}

async function makeWarm(
  files: readonly string[],
  procRoot: string,
  signal: AbortSignal,
): Promise<void> {
  const extents = (await Promise.all(files.map(dataOf))).flat()
  const bytes = extents.reduce((sum, { length }) => sum + length, 0)
  const { availableBytes } = await readMeminfo(procRoot)
  if (availableBytes !== undefined && bytes > availableBytes) {
    throw new UnavailableError(
      `hostCache warm: ${files.join(', ')} hold ${formatBytes(bytes)}, but ${formatBytes(availableBytes)} of memory are available: give the host more memory, or use hostCache cold`,
    )
  }
  for (const extent of extents) await readThrough(extent, signal)
}

/** The stretches of a file that hold data: reading its holes would fill memory with zeros. */
async function dataOf(file: string): Promise<Extent[]> {
  const args = ['map', '--force-share', '--image-opts', '--output=json', rawFile(file)]
  const map: { start: number; length: number; data: boolean }[] = JSON.parse(
    await run('qemu-img', args),
  )
  return map.flatMap(({ start, length, data }) => (data ? [{ file, start, length }] : []))
}

/** Whatever it holds, its bytes alone. */
function rawFile(file: string): string {
  return `driver=raw,file.filename=${file.replaceAll(',', ',,')}`
}

async function readThrough({ file, start, length }: Extent, signal: AbortSignal): Promise<void> {
  await using handle = await open(file, 'r')
  const buffer = Buffer.alloc(Math.min(READ_BYTES, length))
  for (let at = start; at < start + length; ) {
    signal.throwIfAborted()
    const wanted = Math.min(buffer.length, start + length - at)
    const { bytesRead } = await handle.read(buffer, 0, wanted, at)
    if (bytesRead === 0) return // it ends within its last sector
    at += bytesRead
  }
}
