// The words kvmio.* that tell a guest what to do; workload.sh reads them.

import { PACKAGE_DRIVE } from '../../config/install-rules.ts'
import type { PackageSet, WorkloadConfig } from '../../config/workload-schema.ts'
import { KvmioError } from '../../lib/errors.ts'

const MAX_SERIAL = 20 // virtio-blk's VIRTIO_BLK_ID_BYTES; ATA's and NVMe's serial numbers are as long
const PAGE_BYTES = 4096 // busybox' dd aligns no smaller buffer, and quietly gives up O_DIRECT for it

/** A drive that the guest knows by the PCI address of its controller, not by its serial number. */
export interface DriveAtAddress {
  name: string
  /** In the guest: 0000:00:1f.0. */
  address: string
}

/** What a guest is told: the drives that it waits for, its workload, and `root`, the drive that it boots from. */
export function workloadWords(
  workload: WorkloadConfig,
  drives: readonly string[],
  root?: string,
  passthrough: readonly DriveAtAddress[] = [],
): string[] {
  for (const name of drives) {
    const plain = /^[a-z0-9-]+$/.test(name) && name.length <= MAX_SERIAL
    if (!plain)
      throw refused('drives', `names of 1 to ${MAX_SERIAL} characters a-z, 0-9 and -`, name)
  }
  const awaited = workload.kind === 'install' ? [...drives, PACKAGE_DRIVE] : drives
  return [
    ...(awaited.length > 0 ? [`kvmio.drives=${awaited.join(',')}`] : []),
    ...(root === undefined ? [] : [`kvmio.root=${root}`]),
    ...(passthrough.length > 0
      ? [`kvmio.passthrough=${passthrough.map(({ name, address }) => `${name}@${address}`)}`]
      : []),
    `kvmio.workload=${workload.kind}`,
    ...optionWords(workload, drives),
  ]
}

/** A file that a guest is given beside the words, by its name. */
export function workloadFiles(workload: WorkloadConfig): Record<string, string> {
  if (workload.kind === 'fio') return { job: workload.job }
  if (workload.kind === 'script' && workload.run !== undefined) return { script: workload.run }
  return {}
}

function optionWords(workload: WorkloadConfig, drives: readonly string[]): string[] {
  const at = (key: string): string => `${workload.kind}.${key}`
  switch (workload.kind) {
    case 'idle':
      return [`kvmio.time=${seconds(at('time'), workload.time)}`]
    case 'boot-write-shutdown': {
      const { write, blockSize, direct, settle } = workload
      const unit = direct ? PAGE_BYTES : 1
      const [drive = '', to = ''] = placeWords(workload, drives)
      return [
        drive,
        `kvmio.write=${bytes(at('write'), write, unit)}`,
        `kvmio.bs=${bytes(at('blockSize'), blockSize, unit)}`,
        `kvmio.direct=${direct ? 1 : 0}`,
        to,
        `kvmio.settle=${seconds(at('settle'), settle)}`,
      ]
    }
    case 'install':
      return [driveWord(workload, drives), ...packageWords(workload.packages)]
    case 'fio':
    case 'script':
      return [
        ...placeWords(workload, drives),
        `kvmio.timeout=${seconds(at('timeout'), workload.timeout)}`,
      ]
  }
}

/** Where a workload works: its drive, and what on it. */
function placeWords(
  workload: Exclude<WorkloadConfig, { kind: 'idle' | 'install' }>,
  drives: readonly string[],
): string[] {
  const { kind, to } = workload
  const word = driveWord(workload, drives)
  if (to !== 'device' && to !== 'filesystem')
    throw refused(`${kind}.to`, 'device or filesystem', to)
  return [word, `kvmio.to=${to}`]
}

function driveWord(
  { kind, drive: named }: { kind: string; drive?: string },
  drives: readonly string[],
): string {
  const drive = named ?? drives[0]
  if (drive === undefined) throw refused('drives', 'at least one name', drives)
  if (!drives.includes(drive)) throw refused(`${kind}.drive`, `one of ${drives.join(', ')}`, drive)
  return `kvmio.drive=${drive}`
}

/** The kind of system; the packages beside its own are the package drive's. */
function packageWords(packages: PackageSet = 'minbase'): string[] {
  return [`kvmio.set=${typeof packages === 'string' ? packages : 'minbase'}`]
}

function bytes(key: string, value: number, unit: number): string {
  if (Number.isSafeInteger(value) && value > 0 && value % unit === 0) return String(value)
  throw refused(
    key,
    unit === 1 ? 'a number of bytes' : `a multiple of ${unit} bytes for direct I/O`,
    value,
  )
}

function seconds(key: string, value: number): string {
  const text = value.toFixed(3)
  if (/^\d{1,9}\.\d{3}$/.test(text)) return text
  throw refused(key, 'a number of seconds', value)
}

/** The error for a word that would break the line, or mean something else in it. */
export function refused(key: string, expected: string, found: unknown): KvmioError {
  return new KvmioError(
    `${key}: expected ${expected}, got ${JSON.stringify(found) ?? String(found)}`,
  )
}
