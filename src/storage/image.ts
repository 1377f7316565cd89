import type { Backend } from '../attribution/records.ts'
import type { DriveConfig } from '../config/drive-schema.ts'
import { run } from '../lib/process.ts'
import { imageSpaceBytes } from './image-space.ts'
import { copyImage, type SourceImage } from './source-image.ts'

export type ImageFormat = DriveConfig['format']

/** What an image is made as. https://www.qemu.org/docs/master/system/images.html */
export interface ImageOptions
  extends Pick<DriveConfig, 'preallocation' | 'clusterSize' | 'lazyRefcounts' | 'extendedL2'> {
  backend: Backend
  format: ImageFormat
  /** As the guest sees it. */
  sizeBytes: number
  /** The images under it, the lowest first. */
  backing: readonly Layer[]
  /** What it holds from the start, unless there are images under it: then the lowest does. */
  source?: SourceImage
}

/** One image of a chain. */
export interface Layer {
  backend: Backend
  format: ImageFormat
}

/** What makes room for a drive's data and gives it back; a tier does. */
export interface ImageRoom {
  allocate(backend: Backend, bytes: number): Promise<void>
  release(backend: Backend): Promise<void>
}

/** Makes the image of a drive, empty but for its source, in place of what an abandoned run left under the same name. */
export async function createImage(
  room: ImageRoom,
  image: ImageOptions,
  signal?: AbortSignal,
): Promise<void> {
  const { backend } = image
  await room.release(backend)
  await room.allocate(backend, imageSpaceBytes(image))
  try {
    // What is there has its size.
    const isThere = image.format === 'raw' && backend.kind !== 'file'
    if (!isThere) await run('qemu-img', createArgv(image), { signal })
    if (image.source && image.backing.length === 0) await copyImage(image.source, image, signal)
  } catch (error) {
    await room.release(backend)
    throw error
  }
}

/** qemu-img's arguments. The name stands alone, so commas in it are plain; an absolute path is no protocol's. */
export function createArgv(image: ImageOptions): string[] {
  const { backend, format, sizeBytes, backing } = image
  const below = backing.at(-1)
  return [
    ['create', '-q', '-f', format, '-o', optionWords(image).join()],
    below ? ['-b', placeOf(below.backend), '-F', below.format] : [],
    [placeOf(backend), String(sizeBytes)],
  ].flat()
}

/** The backend as programs of qemu's take it for a file name. */
export function placeOf(backend: Backend): string {
  return backend.kind === 'url' ? backend.url : backend.path
}

function optionWords(image: ImageOptions): string[] {
  const { preallocation, clusterSize, lazyRefcounts, extendedL2 } = image
  return [
    `preallocation=${preallocation}`,
    ...(clusterSize === undefined ? [] : [`cluster_size=${clusterSize}`]),
    ...(lazyRefcounts ? ['lazy_refcounts=on'] : []),
    ...(extendedL2 ? ['extended_l2=on'] : []),
  ]
}
