import type { Backend } from '../attribution/records.ts'
import { run } from '../lib/process.ts'

export type ImageFormat = 'raw' | 'qcow2'

export interface ImageOptions {
  backend: Backend
  format: ImageFormat
  /** As the guest sees it. */
  sizeBytes: number
}

/** What makes room for a drive's data and gives it back; a tier does. */
export interface ImageRoom {
  allocate(backend: Backend, bytes: number): Promise<void>
  release(backend: Backend): Promise<void>
}

/** Makes the empty image of a drive, in place of what an abandoned run left under the same name. */
export async function createImage(
  room: ImageRoom,
  { backend, format, sizeBytes }: ImageOptions,
  signal?: AbortSignal,
): Promise<void> {
  await room.release(backend)
  await room.allocate(backend, imageSpaceBytes(format, sizeBytes))
  if (format === 'raw' && backend.kind !== 'file') return // what is there has its size
  try {
    // The name stands alone here, so commas in it are plain; an absolute path cannot be taken for a protocol.
    const args = ['create', '-q', '-f', format, placeOf(backend), String(sizeBytes)]
    await run('qemu-img', args, { signal })
  } catch (error) {
    await room.release(backend)
    throw error
  }
}

/** The backend as programs of qemu's take it for a file name. */
export function placeOf(backend: Backend): string {
  return backend.kind === 'url' ? backend.url : backend.path
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
