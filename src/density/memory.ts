/** What qemu takes beside the guest's memory until that has been measured: under TCG its translated code for the most part. */
const QEMU_BYTES = 128 * 2 ** 20

/** What is known of the memory of a guest's vms, in bytes. */
export interface GuestMemory {
  /** That the guest has. */
  configuredBytes: number
  /** What the config says that a vm takes. */
  statedBytes?: number
  /** What a balloon has really left a guest; absent where none has. */
  leftBytes?: number
  /** What a qemu has really taken. */
  takenBytes?: number
}

/**
 * What one vm takes of the host. A guest may come to touch all that it has, whatever it has touched when it was measured;
 * what a balloon has been seen to take back from it counts, what it was told to take back does not.
 */
export function vmMemory({
  configuredBytes,
  statedBytes,
  leftBytes = configuredBytes,
  takenBytes,
}: GuestMemory): number {
  if (statedBytes !== undefined) return statedBytes
  return takenBytes === undefined ? leftBytes + QEMU_BYTES : Math.max(leftBytes, takenBytes)
}
