import type { WorkloadConfig } from '../config/workload-schema.ts'
import { CACHE_MODES } from '../guest/cache-mode.ts'
import type { DrivePlan, VmPlan } from '../guest/plan.ts'
import { formatBytes } from '../lib/quantities.ts'

// What a guest wrote cannot have come to rest on fewer bytes of the device: where it did, a cache or a counter lied, and
// the run's figures are those of something else.

/** What the check came to: of a device with what had to be on it, or of a drive that it cannot be made of. */
export type ConservationFinding =
  | {
      device: string
      /** Bytes that had to be written to it at the least. */
      expectedBytes: number
      writtenBytes: number
      holds: boolean
    }
  | { drive: string; tier: string; exempt: string }

export interface WrittenTier {
  /** As in /proc/diskstats. */
  device?: string
  kind: 'directory' | 'filesystem' | 'volumeGroup' | 'device' | 'url'
  /** Of the filesystem on it. */
  mountOptions?: readonly string[]
}

export interface WrittenDrive {
  plan: VmPlan
  drive: DrivePlan
  /** That the guest asked qemu to write; absent when qemu could not be asked. */
  guestBytes?: number
  /** How often the guest discarded, in qemu's count. */
  discards?: number
}

/** Holds each device's bytes against what the drives on it must have brought there. */
export function checkConservation(
  drives: readonly WrittenDrive[],
  workload: WorkloadConfig,
  tierOf: (name: string) => WrittenTier | undefined,
  writtenBytes: ReadonlyMap<string, number>,
): ConservationFinding[] {
  const expected = new Map<string, number>()
  const exempt = new Map<string, ConservationFinding>()
  for (const written of drives) {
    const { name: drive, tier } = written.drive
    const least = leastBytes(written, workload, tierOf(tier), writtenBytes)
    if (typeof least === 'string')
      exempt.set(JSON.stringify([drive, tier, least]), { drive, tier, exempt: least })
    else expected.set(least.device, (expected.get(least.device) ?? 0) + least.bytes)
  }
  const held = [...expected].map(([device, expectedBytes]) => {
    const written = writtenBytes.get(device) ?? 0
    return { device, expectedBytes, writtenBytes: written, holds: written >= expectedBytes }
  })
  return [...held, ...exempt.values()]
}

/** Why the run is void; undefined when it is not. */
export function conservationProblem(findings: readonly ConservationFinding[]): string | undefined {
  for (const finding of findings) {
    if (!('device' in finding) || finding.holds) continue
    const { device, expectedBytes, writtenBytes } = finding
    return `conservation: the guests wrote ${formatBytes(expectedBytes)} at the least, and device ${device} was written ${formatBytes(writtenBytes)}`
  }
  return undefined
}

/** What must have reached the device for a drive, or why nobody can say. */
function leastBytes(
  { plan, drive, guestBytes, discards }: WrittenDrive,
  workload: WorkloadConfig,
  tier: WrittenTier | undefined,
  writtenBytes: ReadonlyMap<string, number>,
): { device: string; bytes: number } | string {
  const device = tier?.device
  if (tier?.kind === 'url') return 'its data is on a server'
  if (device === undefined) return 'its tier has no one block device'
  if (!writtenBytes.has(device)) return `device ${device} has no counters of the whole run`
  if (drive.discard !== 'ignore' && discards !== 0)
    return 'its guest discarded some of what it wrote'
  if (drive.detectZeroes !== 'off') return 'zeros that are written to it need not be stored'
  if (tier?.mountOptions?.some((option) => option.startsWith('compress')))
    return 'the filesystem of its tier compresses'
  if (CACHE_MODES[drive.cache].direct && writesOnlyData(plan, workload)) {
    return guestBytes === undefined
      ? 'qemu did not say what it wrote'
      : { device, bytes: guestBytes }
  }
  const unique = uniqueBytes(plan, drive, workload)
  return unique === undefined
    ? 'how much of what its workload writes is written once only is not known'
    : { device, bytes: unique }
}

/**
 * Whether all bytes that the guest wrote are data. mkfs.ext4 and its lazy initialisation have zeros written by WRITE
 * ZEROES, which both qemu (virtio-blk.c, virtio_blk_handle_discard_write_zeroes) and the guest's kernel count as bytes
 * written, and which the host need not store. The appliance's own programs do not.
 */
function writesOnlyData({ system }: VmPlan, { kind }: WorkloadConfig): boolean {
  return system === 'appliance' && kind !== 'install'
}

/** What a workload writes to a drive in places of its own, bytes; undefined when that cannot be told. */
function uniqueBytes(
  { drives }: VmPlan,
  { name }: DrivePlan,
  workload: WorkloadConfig,
): number | undefined {
  switch (workload.kind) {
    case 'idle':
      return 0
    case 'boot-write-shutdown':
      return name === (workload.drive ?? drives[0]?.name) ? workload.write : 0
    default:
      return undefined
  }
}
