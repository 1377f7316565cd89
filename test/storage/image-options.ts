import type { Backend } from '../../src/attribution/records.ts'
import type { ImageOptions } from '../../src/storage/image.ts'

/** A raw image without options. */
export function imageOn(backend: Backend, more: Partial<ImageOptions> = {}): ImageOptions {
  return {
    backend,
    format: 'raw',
    sizeBytes: 8 * 2 ** 20,
    preallocation: 'off',
    lazyRefcounts: false,
    extendedL2: false,
    backing: [],
    ...more,
  }
}
