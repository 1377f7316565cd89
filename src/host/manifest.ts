import { readFile } from 'node:fs/promises'
import { cpus, hostname, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { readQemuVersion } from './qemu.ts'

/** What a run's figures depend on beside its plan: who reads them later must know. */
export interface Manifest {
  kvmio: string
  qemu: string
  kernel: string
  host: string
  processor: string
  cpus: number
  memoryBytes: number
  /** /proc/sys/vm/dirty_*, as the kernel writes them. */
  dirty: Record<string, string>
}

const DIRTY = [
  'dirty_background_bytes',
  'dirty_background_ratio',
  'dirty_bytes',
  'dirty_expire_centisecs',
  'dirty_ratio',
  'dirty_writeback_centisecs',
]

export async function readManifest(
  version: string,
  binary: string,
  procRoot: string,
): Promise<Manifest> {
  const dirty = await Promise.all(
    DIRTY.map(async (name) => [
      name,
      (await readFile(join(procRoot, 'sys/vm', name), 'utf8')).trim(),
    ]),
  )
  return {
    kvmio: version,
    qemu: await readQemuVersion(binary),
    kernel: release(),
    host: hostname(),
    processor: cpus()[0]?.model ?? 'unknown',
    cpus: cpus().length,
    memoryBytes: totalmem(),
    dirty: Object.fromEntries(dirty),
  }
}
