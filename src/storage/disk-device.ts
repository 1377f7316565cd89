import { randomUUID } from 'node:crypto'
import { run } from '../lib/process.ts'
import { checkConsent, examineDevice, type FreeDevice } from './device-safety.ts'
import { type FilesystemConfig, isMadeAs, syncFile } from './disk-file.ts'
import { type DiskFiles, type DiskRecord, writeDiskRecord } from './disk-record.ts'
import { makeFilesystem } from './mkfs.ts'
import type { TierContext } from './tier-context.ts'

export type DeviceConfig = FilesystemConfig & {
  device: string
  /** The config's consent to destroy what is on it. */
  overwrite?: string
}

/** The device with a filesystem on it: the one of last time if it is the same kind, else a new one. */
export async function prepareDiskDevice(
  files: DiskFiles,
  name: string,
  { type, device: path, mkfs = [], overwrite }: DeviceConfig,
  before: DiskRecord | undefined,
  context: TierContext,
): Promise<{ record: DiskRecord; device: FreeDevice }> {
  const device = await examineDevice(path, context)
  const { sizeBytes, signatures } = device
  const foreign = signatures.filter(({ uuid }) => uuid === undefined || uuid !== before?.uuid)
  checkConsent(path, foreign, overwrite)
  const kept = before?.made && signatures.length > 0 && foreign.length === 0
  if (kept && isMadeAs(before, { type, sizeBytes, mkfs })) {
    return { record: { ...before, device: path }, device }
  }
  const uuid = randomUUID()
  const record: DiskRecord = { type, sizeBytes, device: path, uuid, mkfs, made: false }
  // The new number first: a kvmio that is killed in the middle knows both what is half made and what is empty as its own.
  await wipe(device)
  await writeDiskRecord(files, record)
  await makeFilesystem({ type, name, words: mkfs, uuid, path: device.path }, context.signal)
  await syncFile(device.path)
  const made = { ...record, made: true }
  await writeDiskRecord(files, made)
  return { record: made, device }
}

/** Else an older kind's magic number may outlive mkfs, which writes only its own places. */
async function wipe({ path, signatures }: FreeDevice): Promise<void> {
  if (signatures.length > 0) await run('wipefs', ['--all', '--quiet', path])
}
