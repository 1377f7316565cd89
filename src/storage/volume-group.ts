// One logical volume for each drive: lvmthin(7), lvcreate(8), lvremove(8).
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Backend } from '../attribution/records.ts'
import type { TierConfig } from '../config/schema.ts'
import { KvmioError, messageOf, UnavailableError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { formatBytes } from '../lib/quantities.ts'
import {
  hasDeviceMapper,
  type LogicalVolume,
  mapperName,
  poolSpace,
  readGroupSpace,
  readLogicalVolumes,
  readVolumeGroups,
  type VolumeGroup,
} from '../source/lvm.ts'
import { missingPrograms } from './programs.ts'

export type GroupConfig = NonNullable<TierConfig['volumeGroup']>

const TIMEOUT_MS = 60_000
const REMOVE_WAIT_MS = 5_000
const POLL_MS = 200

/** The group, if kvmio can make volumes in it. */
export async function openGroup(config: GroupConfig, procRoot: string): Promise<VolumeGroup> {
  const reason =
    (process.geteuid?.() === 0 ? undefined : 'needs root for logical volumes') ??
    (await missingPrograms(['lvcreate', 'lvremove', 'lvs', 'vgs'])) ??
    ((await hasDeviceMapper(procRoot))
      ? undefined
      : 'this host has no device mapper: modprobe dm_mod, or a kernel with CONFIG_BLK_DEV_DM')
  if (reason !== undefined) throw new UnavailableError(reason)
  const groups = await readVolumeGroups()
  const group = groups.find(({ name }) => name === config.name)
  if (!group) {
    const others = groups.map(({ name }) => name).join(', ') || 'none'
    throw new UnavailableError(
      `there is no volume group ${config.name}; this host has ${others}: vgcreate makes one`,
    )
  }
  const { name, thinPool } = config
  if (thinPool !== undefined) poolSpace(await readLogicalVolumes(name), name, thinPool)
  return group
}

/** Where the logical volume of a vm's drive is. */
export function locateVolume({ name }: GroupConfig, vm: string, drive: string): Backend {
  return { kind: 'device', path: `/dev/${name}/${volumeName(name, vm, drive)}` }
}

// dm-ioctl.h: DM_NAME_LEN is 128 with the zero; the mapper's name has each hyphen of its two parts twice.
const MAX_MAPPER_NAME = 127

/** kvmio-VM.DRIVE; where the device mapper cannot hold that, its beginning and a hash. */
export function volumeName(group: string, vm: string, drive: string): string {
  const name = `kvmio-${vm}.${drive}`
  if (mapperName(`/dev/${group}/${name}`).length <= MAX_MAPPER_NAME) return name
  return `kvmio-${vm.slice(0, 12)}.${hash(name)}`
}

/** The tag of what the kvmio of a state directory has made: only that is ever removed. */
export function volumeTag(stateDir: string): string {
  return `kvmio-${hash(stateDir)}`
}

/** Makes the volume. What an earlier use of its extents left cannot be seen: signatures are wiped and its begin zeroed. */
export async function allocateVolume(
  path: string,
  bytes: number,
  config: GroupConfig,
  tag: string,
): Promise<void> {
  const { availableBytes } = await readGroupSpace(config.name, config.thinPool)
  if (bytes > availableBytes) {
    const [needed, available] = [bytes, availableBytes].map(formatBytes)
    const place = config.thinPool === undefined ? '' : `thin pool ${config.thinPool} of `
    throw new UnavailableError(
      `logical volume ${path} can grow to ${needed}, but ${place}volume group ${config.name} has ${available} available`,
    )
  }
  await run('lvcreate', lvcreateArgs(path, bytes, config, tag), { timeoutMs: TIMEOUT_MS })
}

/** lvcreate's arguments; LVM rounds up to whole extents. */
export function lvcreateArgs(
  path: string,
  bytes: number,
  { name, thinPool }: GroupConfig,
  tag: string,
): string[] {
  const size = `${Math.ceil(bytes / 512) * 512}b`
  const common = ['--yes', '--quiet', '--addtag', tag, '--name', volumeOf(path)]
  return thinPool === undefined
    ? [...common, '--wipesignatures', 'y', '--zero', 'y', '--size', size, name]
    : [...common, '--virtualsize', size, '--thinpool', thinPool, name]
}

/** Removes the volume if kvmio has made it; nothing happens when it is gone already. */
export async function releaseVolume(
  path: string,
  { name }: GroupConfig,
  tag: string,
): Promise<void> {
  const volume = (await readLogicalVolumes(name)).find((found) => found.name === volumeOf(path))
  if (!volume) return
  if (!volume.tags.includes(tag)) {
    throw new KvmioError(`logical volume ${path} has no tag ${tag}: another has made it`)
  }
  await removeVolume(volume)
}

/** Removes the volumes of dead runs: those with the tag that nothing has open. A line for each, of all groups. */
export async function removeOrphanVolumes(
  tag: string,
  procRoot: string,
): Promise<{ removed: string[]; left: string[] }> {
  const removed: string[] = []
  const left: string[] = []
  if (process.geteuid?.() !== 0 || !(await hasDeviceMapper(procRoot))) return { removed, left }
  if (await missingPrograms(['lvs', 'lvremove'])) return { removed, left }
  for (const volume of orphansOf(await readLogicalVolumes(), tag)) {
    const path = `/dev/${volume.group}/${volume.name}`
    try {
      await removeVolume(volume)
      removed.push(`removed logical volume ${path}`)
    } catch (error) {
      left.push(`logical volume ${path}: ${messageOf(error)}`)
    }
  }
  return { removed, left }
}

/** A volume that is open belongs to a vm that lives, which the next kvmio takes over. */
export function orphansOf(volumes: readonly LogicalVolume[], tag: string): LogicalVolume[] {
  return volumes.filter(({ tags, open }) => tags.includes(tag) && !open)
}

/** udev has a new or closed device open for a moment, to look at it. */
async function removeVolume({ group, name }: LogicalVolume): Promise<void> {
  const deadline = Date.now() + REMOVE_WAIT_MS
  for (;;) {
    try {
      await run('lvremove', ['--yes', '--quiet', `${group}/${name}`], { timeoutMs: TIMEOUT_MS })
      return
    } catch (error) {
      if (Date.now() > deadline || !/\b(in use|open)\b/i.test(messageOf(error))) throw error
      await sleep(POLL_MS)
    }
  }
}

function volumeOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}
