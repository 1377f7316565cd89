import { randomFillSync } from 'node:crypto'
import { open } from 'node:fs/promises'
import { createImage, type ImageOptions, type ImageRoom, placeOf } from './image.ts'
import { EMPTY_OVERLAY_BYTES, imageSpaceBytes } from './image-space.ts'

const CHUNK = 2 ** 20

/**
 * Makes the images under a drive's own: the lowest has the drive's source, or is full of data as an installed system
 * would be, since copying on write costs nothing over a hole; each further one is an empty overlay on the one before.
 */
export async function createBacking(
  room: ImageRoom,
  { backing, sizeBytes, source }: Pick<ImageOptions, 'backing' | 'sizeBytes' | 'source'>,
  signal?: AbortSignal,
): Promise<void> {
  for (const [depth, layer] of backing.entries()) {
    const below = backing.slice(0, depth)
    const image: ImageOptions = {
      ...layer,
      sizeBytes,
      preallocation: 'off',
      lazyRefcounts: false,
      extendedL2: false,
      backing: below,
      source,
    }
    await createImage(depth === 0 ? room : overlayRoom(room), image, signal)
    if (depth === 0 && !source) await fill(placeOf(layer.backend), sizeBytes, signal)
  }
}

/** What the images under a drive's own take, bytes. */
export function backingSpaceBytes(depth: number, sizeBytes: number): number {
  if (depth === 0) return 0
  return imageSpaceBytes({ format: 'raw', sizeBytes }) + (depth - 1) * EMPTY_OVERLAY_BYTES
}

/** An overlay that is only read stays empty. */
function overlayRoom(room: ImageRoom): ImageRoom {
  return {
    allocate: (backend) => room.allocate(backend, EMPTY_OVERLAY_BYTES),
    release: (backend) => room.release(backend),
  }
}

/** Random bytes, since a filesystem may pack others; the same mebibyte again and again, which is enough for that. */
async function fill(path: string, bytes: number, signal?: AbortSignal): Promise<void> {
  const chunk = randomFillSync(Buffer.alloc(Math.min(CHUNK, bytes)))
  await using file = await open(path, 'r+')
  for (let at = 0; at < bytes; at += chunk.length) {
    signal?.throwIfAborted()
    await file.write(chunk, 0, Math.min(chunk.length, bytes - at), at)
  }
  await file.datasync()
}
