import { realpath, stat } from 'node:fs/promises'
import { deviceNumber } from './mounts.ts'

/** An image as stat() knows it; without its numbers it is found by its path alone. */
export interface ImageFile {
  /** Without symbolic links. */
  path: string
  /** MAJ:MIN of the filesystem that it is a file of. */
  filesystem?: string
  /** MAJ:MIN of the block device that it is. */
  blockDevice?: string
}

/** Throws when there is no such file. Hangs as stat() does where a server of network storage has gone. */
export async function readImageFile(path: string): Promise<ImageFile> {
  const real = await realpath(path)
  const found = await stat(real, { bigint: true })
  return found.isBlockDevice()
    ? { path: real, blockDevice: deviceNumber(found.rdev) }
    : { path: real, filesystem: deviceNumber(found.dev) }
}
