import { open, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Backend } from '../attribution/records.ts'
import { codeOf, KvmioError, UnavailableError } from '../lib/errors.ts'
import { formatBytes } from '../lib/quantities.ts'
import { readSpace } from '../source/mounts.ts'
import type { ImageFormat } from './image.ts'

/** Where the image of a vm's drive goes in a tier's directory. */
export function locateFile(
  directory: string,
  vm: string,
  drive: string,
  format: ImageFormat,
): Backend {
  return { kind: 'file', path: join(directory, `${vm}-${drive}.${format}`) }
}

/** Makes an empty file that nobody but its owner can read, where there is room for it to grow. Never over another. */
export async function allocateFile(path: string, bytes: number): Promise<void> {
  const directory = dirname(path)
  const { availableBytes } = await readSpace(directory)
  if (bytes > availableBytes) {
    const [needed, available] = [bytes, availableBytes].map(formatBytes)
    throw new UnavailableError(
      `image ${path} can grow to ${needed}, but ${directory} has ${available} available`,
    )
  }
  try {
    await (await open(path, 'wx', 0o600)).close() // qemu-img keeps the mode
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    throw new KvmioError(`image ${path} is there already; remove it first`, { cause: error })
  }
}

/** Nothing happens when it is gone already. */
export async function releaseFile(path: string): Promise<void> {
  await rm(path, { force: true })
}
