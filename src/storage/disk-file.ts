import { open, rm, stat } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import type { TierConfig } from '../config/schema.ts'
import { codeOf, UnavailableError } from '../lib/errors.ts'
import { formatBytes } from '../lib/quantities.ts'
import { readSpace } from '../source/mounts.ts'
import { type DiskFiles, type DiskRecord, writeDiskRecord } from './disk-record.ts'
import { makeFilesystem } from './mkfs.ts'

export type FilesystemConfig = NonNullable<TierConfig['filesystem']>

/** The loop file with a filesystem on it: the one of last time if it is the same kind, else a new one. */
export async function prepareDiskFile(
  files: DiskFiles,
  name: string,
  { type, size: sizeBytes = 0, mkfs = [] }: FilesystemConfig,
  before: DiskRecord | undefined,
  signal?: AbortSignal,
): Promise<DiskRecord> {
  const found = await stat(files.image).catch(absent)
  const ours = found && isOurs(found, before)
  if (found && !ours) {
    throw new UnavailableError(`${files.image} was not written by kvmio; move it away`)
  }
  const same = before?.made && isMadeAs(before, { type, sizeBytes, mkfs })
  const allocated = found ? found.blocks * 512 : 0
  await checkSpace(files, sizeBytes, allocated)
  if (before && same && found?.size === sizeBytes) return before
  const record: DiskRecord = { type, sizeBytes, mkfs, made: false }
  await rm(files.image, { force: true })
  await writeDiskRecord(files, record)
  await createSparse(files, record)
  await makeFilesystem({ type, name, words: mkfs, path: files.image }, signal)
  await syncFile(files.image)
  const made = { ...record, made: true }
  await writeDiskRecord(files, made)
  return made
}

/** Whether a filesystem was made as the config wants it now. */
export function isMadeAs(
  record: DiskRecord,
  wanted: Required<Pick<DiskRecord, 'type' | 'sizeBytes' | 'mkfs'>>,
): boolean {
  const { type, sizeBytes, mkfs = [] } = record
  return isDeepStrictEqual({ type, sizeBytes, mkfs }, wanted)
}

/** One that was created just before kvmio was killed has no inode in the record yet, and nothing in it. */
function isOurs(found: { ino: number; size: number }, record: DiskRecord | undefined): boolean {
  if (!record) return false
  return record.inode === undefined ? found.size === 0 : found.ino === record.inode
}

async function createSparse(files: DiskFiles, record: DiskRecord): Promise<void> {
  const file = await open(files.image, 'wx', 0o600)
  try {
    record.inode = (await file.stat()).ino
    await writeDiskRecord(files, record)
    await file.truncate(record.sizeBytes)
  } finally {
    await file.close()
  }
}

/** Until what was written is on the disk under it. */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

async function checkSpace(files: DiskFiles, sizeBytes: number, allocated: number): Promise<void> {
  const { availableBytes } = await readSpace(files.directory)
  const missing = sizeBytes - allocated
  if (missing <= availableBytes) return
  const [needed, available] = [missing, availableBytes].map(formatBytes)
  throw new UnavailableError(
    `needs ${needed} for its loop file, but ${files.directory} has ${available} available; make it smaller or free some space`,
  )
}

function absent(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error
}
