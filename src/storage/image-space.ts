import type { DriveConfig } from '../config/drive-schema.ts'

/** qemu's own cluster size of qcow2. */
const CLUSTER = 65_536
/** An overlay that holds nothing: header, L1 table (256 KiB for 16 TiB), reference counts. */
export const EMPTY_OVERLAY_BYTES = 2 ** 20

export interface ImageShape extends Partial<Pick<DriveConfig, 'clusterSize' | 'extendedL2'>> {
  format: DriveConfig['format']
  sizeBytes: number
}

/**
 * The most that an image can come to take, in bytes: with qcow2 each cluster written, and the tables for that.
 * https://www.qemu.org/docs/master/interop/qcow2.html
 */
export function imageSpaceBytes(image: ImageShape): number {
  const { format, sizeBytes, clusterSize = CLUSTER, extendedL2 = false } = image
  if (format === 'raw') return sizeBytes
  const entries = clusterSize / 8 // 64-bit entries of an L1 or refcount table in one cluster
  const l2Entries = clusterSize / (extendedL2 ? 16 : 8)
  const refcounts = clusterSize / 2 // 16-bit refcounts in one block
  const data = Math.ceil(sizeBytes / clusterSize)
  const l2 = Math.ceil(data / l2Entries)
  const l1 = Math.ceil(l2 / entries)
  const used = 1 + l1 + l2 + data // the first one is the header
  // Each refcount block counts itself and the table too, so the sum grows until it holds.
  let clusters = used
  for (;;) {
    const blocks = Math.ceil(clusters / refcounts)
    const next = used + blocks + Math.ceil(blocks / entries)
    if (next === clusters) return clusters * clusterSize
    clusters = next
  }
}
