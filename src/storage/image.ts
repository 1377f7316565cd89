import { chown, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf, KvmioError, UnavailableError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { formatBytes } from '../lib/quantities.ts'
import { readSpace } from '../source/mounts.ts'

export type ImageFormat = 'raw' | 'qcow2'

export interface ImageOptions {
  file: string
  format: ImageFormat
  /** As the guest sees it. */
  sizeBytes: number
  /** Whom qemu runs as. */
  owner?: { uid: number; gid: number }
  signal?: AbortSignal
}

/** Makes an empty image that nobody but its owner can read. Never over a file that is there. */
export async function createImage(options: ImageOptions): Promise<void> {
  const { file, format, sizeBytes, owner, signal } = options
  await checkSpace(file, format, sizeBytes)
  await reserve(file)
  try {
    // The file name stands alone here, so commas in it are plain; an absolute path cannot be taken for a protocol.
    const args = ['create', '-q', '-f', format, file, String(sizeBytes)]
    await run('qemu-img', args, { signal })
    if (owner) await chown(file, owner.uid, owner.gid)
  } catch (error) {
    await removeImage(file)
    throw error
  }
}

/** Nothing happens when it is gone already. */
export async function removeImage(file: string): Promise<void> {
  await rm(file, { force: true })
}

/**
 * The most that an image can come to take, in bytes: with qcow2 each cluster written, and the tables for that.
 * https://www.qemu.org/docs/master/interop/qcow2.html
 */
export function imageSpaceBytes(format: ImageFormat, sizeBytes: number): number {
  if (format === 'raw') return sizeBytes
  const data = Math.ceil(sizeBytes / CLUSTER)
  const l2 = Math.ceil(data / ENTRIES)
  const l1 = Math.ceil(l2 / ENTRIES)
  const used = 1 + l1 + l2 + data // the first one is the header
  // Each refcount block counts itself and the table too, so the sum grows until it holds.
  let clusters = used
  for (;;) {
    const blocks = Math.ceil(clusters / REFCOUNTS)
    const next = used + blocks + Math.ceil(blocks / ENTRIES)
    if (next === clusters) return clusters * CLUSTER
    clusters = next
  }
}

const CLUSTER = 65_536
const ENTRIES = CLUSTER / 8 // 64-bit entries of an L1, L2 or refcount table in one cluster
const REFCOUNTS = CLUSTER / 2 // 16-bit refcounts in one block

async function checkSpace(file: string, format: ImageFormat, sizeBytes: number): Promise<void> {
  const needed = imageSpaceBytes(format, sizeBytes)
  const { availableBytes } = await readSpace(dirname(file))
  if (needed <= availableBytes) return
  throw new UnavailableError(
    `image ${file} can grow to ${formatBytes(needed)}, but ${dirname(file)} has ${formatBytes(availableBytes)} available`,
  )
}

/** With its mode from the start: qemu-img keeps it. */
async function reserve(file: string): Promise<void> {
  try {
    await (await open(file, 'wx', 0o600)).close()
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    throw new KvmioError(`image ${file} is there already; remove it first`, { cause: error })
  }
}
