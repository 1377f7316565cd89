import { formatBytes } from '../lib/quantities.ts'
import type { Problem } from './problems.ts'
import type { Readable } from './readable.ts'
import type { GuestConfig } from './schema.ts'

// What a guest's system needs of its drives.

/** The size of the built-in disk image; a drive that is larger is filled by the guest. */
export const DEBIAN_BYTES = 2 ** 30
/** What of that the system leaves to a workload: an ext4 of which 380 MiB are taken. */
const DEBIAN_TAKES = 512 * 2 ** 20

type Guest = Readable<Pick<GuestConfig, 'system' | 'drives'>>

/** The drive that a system is on: the first one; none for a system that is a kernel and an initial ramdisk. */
export function rootDrive({ system, drives }: Guest): string | undefined {
  const isOnDrive = system === 'debian' || (typeof system === 'object' && 'image' in system)
  return isOnDrive ? Object.keys(drives ?? {})[0] : undefined
}

/** Why the system cannot be on its drive. Paths begin at the guest. */
export function systemProblems(guest: Guest): Problem[] {
  const root = rootDrive(guest)
  const drive = root === undefined ? undefined : guest.drives?.[root]
  if (root === undefined || !drive) return []
  const problem = (key: string, message: string): Problem[] => [
    { path: ['drives', root, key], at: 'value', message },
  ]
  if (drive.passthrough) {
    return problem(
      'passthrough',
      'expected none on the first drive, which the system is on, got one',
    )
  }
  const { size } = drive
  if (guest.system !== 'debian' || size === undefined || size >= DEBIAN_BYTES) return []
  const least = `at least ${formatBytes(DEBIAN_BYTES)} for the system debian, which is on it`
  return problem('size', `expected ${least}, got ${formatBytes(size)}`)
}

/** What a drive has room for when its filesystem is the system's own, bytes. */
export function roomBeside(size: number): number {
  return size - DEBIAN_TAKES
}
