import { access, realpath, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Backend, Tier } from '../attribution/records.ts'
import { urlFor } from '../config/network-url.ts'
import type { TierConfig } from '../config/schema.ts'
import { TIER_KINDS } from '../config/tier-schema.ts'
import { codeOf, KvmioError, messageOf } from '../lib/errors.ts'
import { deviceName, findBlockDevice } from '../source/block-device.ts'
import { openDirectory } from './directory.ts'
import { takeDownDisk } from './disk-teardown.ts'
import type { EmulatedDisk } from './emulated-disk.ts'
import { checkDisk, type FilesystemDisk, openDisk } from './filesystem-disk.ts'
import type { ImageFormat, ImageRoom } from './image.ts'
import { allocateFile, locateFile, releaseFile } from './image-file.ts'
import { checkTarget, openTarget, plain } from './network-disk.ts'
import { allocateDevice, type ClaimedDevice, claimDevice, releaseDevice } from './raw-device.ts'
import type { TierContext } from './tier-context.ts'
import {
  allocateVolume,
  locateVolume,
  openGroup,
  releaseVolume,
  volumeTag,
} from './volume-group.ts'

export interface OpenTier extends TierRoom {
  tier: Tier
  config: TierConfig
  context: TierContext
  /** Of a tier whose filesystem kvmio made. */
  disk?: FilesystemDisk
  /** Of a tier that is a device. */
  claimed?: ClaimedDevice
  close(): Promise<void>
}

interface TierRoom extends ImageRoom {
  /** Where the data of a vm's drive goes. */
  locate(vm: string, drive: string, format: ImageFormat): Backend
}

/**
 * Makes a tier ready for images, or takes over the one that a killed kvmio left. A tier that this host cannot have is
 * opened all the same, and says why it is unavailable.
 */
export async function openTier(
  name: string,
  config: TierConfig,
  context: TierContext,
): Promise<OpenTier> {
  const resolved = { ...context, stateDir: await realpath(context.stateDir) }
  const tier = tierOf(name, config)
  const open: OpenTier = {
    tier,
    config,
    context: resolved,
    ...roomOf(() => open, config, resolved),
    close: () => closeTier(open),
  }
  try {
    context.signal?.throwIfAborted()
    await openKind(open)
  } catch (error) {
    context.signal?.throwIfAborted()
    if (!(error instanceof KvmioError) && codeOf(error) === undefined) throw error
    tier.unavailable = messageOf(error)
  }
  return open
}

/** Takes down what the tier's disk is made of; the loop file with what is on it stays for the next time. */
export async function closeTier(open: OpenTier): Promise<void> {
  const { tier, disk, claimed, context } = open
  await claimed?.claim.close()
  delete open.claimed
  if (!disk) return
  const { left } = await takeDownDisk(disk.files, tier.name, context)
  if (left.length > 0) throw new KvmioError(`tier ${tier.name}: ${left.join('; ')}`)
}

/** Why an open tier no longer works; undefined when it does. */
export async function checkTier(open: OpenTier): Promise<string | undefined> {
  const { tier, disk, context } = open
  if (tier.unavailable !== undefined) return tier.unavailable
  if (disk) return await checkDisk(disk, context)
  if (tier.kind === 'device') {
    const there = await access(join(context.sysRoot, 'class/block', tier.device!)).then(
      () => true,
      () => false,
    )
    return there ? undefined : `${tier.target} is no longer there`
  }
  // A directory without a device of its own may be on a server that has gone, where stat() hangs.
  if (tier.directory === undefined || tier.device === undefined) return undefined
  const found = await stat(tier.directory).catch(() => undefined)
  return found?.isDirectory() ? undefined : `${tier.directory} is no longer there`
}

function tierOf(name: string, config: TierConfig): Tier {
  const kind = TIER_KINDS.find((kind) => config[kind] !== undefined)
  if (kind === undefined) throw new TypeError(`tier ${name} is of no kind`)
  const tier: Tier = { name, kind }
  if (config.target) tier.targetLatency = config.target.latency
  if (config.capacity) tier.ratedTransactionsPerSecond = config.capacity.transactionsPerSecond
  return tier
}

/** How drives find their places; what it needs of an open tier is there when it is asked. */
function roomOf(open: () => OpenTier, config: TierConfig, context: TierContext): TierRoom {
  const { volumeGroup, device, url, passwordFile } = config
  if (volumeGroup) {
    const tag = volumeTag(context.stateDir)
    return {
      locate: (vm, drive) => locateVolume(volumeGroup, vm, drive),
      allocate: (backend, bytes) => allocateVolume(pathOf(backend), bytes, volumeGroup, tag),
      release: (backend) => releaseVolume(pathOf(backend), volumeGroup, tag),
    }
  }
  if (device !== undefined) {
    return {
      locate: () => ({ kind: 'device', path: device }),
      allocate: (_, bytes) => allocateDevice(open().claimed, bytes, context.procRoot),
      release: () => releaseDevice(open().claimed),
    }
  }
  if (url !== undefined) {
    const password = passwordFile === undefined ? {} : { passwordFile }
    return {
      locate: (vm, drive) => ({ kind: 'url', url: urlFor(url, vm, drive), ...password }),
      allocate: async (backend, bytes) => {
        if (backend.kind === 'url') await checkTarget(backend, bytes)
      },
      release: async () => {},
    }
  }
  return {
    locate: (vm, drive, format) => locateFile(open().tier.directory ?? '', vm, drive, format),
    allocate: (backend, bytes) => allocateFile(pathOf(backend), bytes),
    release: (backend) => releaseFile(pathOf(backend)),
  }
}

function pathOf(backend: Backend): string {
  if (backend.kind !== 'url') return backend.path
  throw new TypeError('expected a file or a device, got a URL')
}

async function openKind(open: OpenTier): Promise<void> {
  const { tier, config, context } = open
  switch (tier.kind) {
    case 'directory':
      return await openDirectory(tier, resolve(config.directory!), context)
    case 'filesystem':
      return await openFilesystem(open)
    case 'volumeGroup':
      return await openVolumeGroup(open)
    case 'device':
      return await openDevice(open)
    case 'url':
      return await openUrl(open)
  }
}

async function openFilesystem(open: OpenTier): Promise<void> {
  const { tier, config, context } = open
  const { filesystem, overwrite, emulate } = config
  const disk = { ...filesystem!, overwrite, emulate: emulate && emulated(emulate) }
  open.disk = await openDisk(tier.name, disk, context)
  tier.directory = open.disk.files.mountPoint
  tier.filesystem = disk.type
  tier.device = open.disk.device
}

function emulated(config: NonNullable<TierConfig['emulate']>): EmulatedDisk {
  const { serviceTime, bytesPerSecond, parallel } = config
  return {
    ...(serviceTime === undefined ? {} : { serviceMs: Math.round(serviceTime * 1000) }),
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
    ...(parallel === undefined ? {} : { parallel }),
  }
}

async function openVolumeGroup({ tier, config, context }: OpenTier): Promise<void> {
  const { name, thinPool } = config.volumeGroup!
  tier.target = thinPool === undefined ? name : `${name}/${thinPool}`
  const { physicalVolumes } = await openGroup(config.volumeGroup!, context.procRoot)
  tier.volumeGroup = config.volumeGroup!
  // Each volume's own device stands on it. With several no one device has the tier's transactions.
  const [one, ...more] = physicalVolumes
  const found = one === undefined || more.length > 0 ? undefined : await findBlockDevice(one)
  const device = found && (await deviceName(context.procRoot, found.number))
  if (device !== undefined) tier.device = device
}

async function openDevice(open: OpenTier): Promise<void> {
  const { tier, config, context } = open
  const path = config.device!
  tier.target = path
  open.claimed = await claimDevice(tier.name, path, config.overwrite, context)
  tier.device = open.claimed.name
  tier.sizeBytes = open.claimed.sizeBytes
}

async function openUrl({ tier, config }: OpenTier): Promise<void> {
  const { url, passwordFile } = config
  tier.target = plain(url!)
  const sizeBytes = await openTarget({ kind: 'url', url: url!, passwordFile })
  if (sizeBytes !== undefined) tier.sizeBytes = sizeBytes
}
