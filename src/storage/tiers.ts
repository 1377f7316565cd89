import { mkdir, open, realpath, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Backend, Tier } from '../attribution/records.ts'
import type { TierConfig } from '../config/schema.ts'
import { codeOf, KvmioError, messageOf, UnavailableError } from '../lib/errors.ts'
import { readDiskstats } from '../source/diskstats.ts'
import { filesystemOf, readMounts } from '../source/mounts.ts'
import { takeDownDisk } from './disk-teardown.ts'
import { checkDisk, type FilesystemDisk, openDisk } from './filesystem-disk.ts'
import type { ImageFormat, ImageRoom } from './image.ts'
import { allocateFile, locateFile, releaseFile } from './image-file.ts'
import type { TierContext } from './tier-context.ts'

export interface OpenTier extends ImageRoom {
  tier: Tier
  context: TierContext
  /** Of a tier whose filesystem kvmio made. */
  disk?: FilesystemDisk
  /** Where the data of a vm's drive goes. */
  locate(vm: string, drive: string, format: ImageFormat): Backend
  close(): Promise<void>
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
  const open: OpenTier = {
    tier: tierOf(name, config),
    context: resolved,
    locate: (vm, drive, format) => locateFile(open.tier.directory ?? '', vm, drive, format),
    allocate: async (backend, bytes) => allocateFile(pathOf(backend), bytes),
    release: async (backend) => releaseFile(pathOf(backend)),
    close: () => closeTier(open),
  }
  try {
    context.signal?.throwIfAborted()
    if (config.filesystem) await openFilesystem(open, config, resolved)
    else await openDirectory(open.tier, resolve(config.directory ?? ''), resolved)
  } catch (error) {
    context.signal?.throwIfAborted()
    if (!(error instanceof KvmioError) && codeOf(error) === undefined) throw error
    open.tier.unavailable = messageOf(error)
  }
  return open
}

/** Takes down what the tier's disk is made of; the loop file with what is on it stays for the next time. */
export async function closeTier({ tier, disk, context }: OpenTier): Promise<void> {
  if (!disk) return
  const { left } = await takeDownDisk(disk.files, tier.name, context)
  if (left.length > 0) throw new KvmioError(`tier ${tier.name}: ${left.join('; ')}`)
}

/** Why an open tier no longer works; undefined when it does. */
export async function checkTier({ tier, disk, context }: OpenTier): Promise<string | undefined> {
  if (tier.unavailable !== undefined) return tier.unavailable
  if (disk) return await checkDisk(disk, context)
  // A directory without a device of its own may be on a server that has gone, where stat() hangs.
  if (tier.directory === undefined || tier.device === undefined) return undefined
  const found = await stat(tier.directory).catch(() => undefined)
  return found?.isDirectory() ? undefined : `${tier.directory} is no longer there`
}

function pathOf(backend: Backend): string {
  if (backend.kind === 'file') return backend.path
  throw new TypeError(`expected an image file, got a ${backend.kind}`)
}

function tierOf(name: string, config: TierConfig): Tier {
  const tier: Tier = { name, kind: config.filesystem ? 'filesystem' : 'directory' }
  if (config.target) tier.targetLatency = config.target.latency
  if (config.capacity) tier.ratedTransactionsPerSecond = config.capacity.transactionsPerSecond
  return tier
}

async function openFilesystem(
  open: OpenTier,
  { filesystem, emulate }: TierConfig,
  context: TierContext,
): Promise<void> {
  const serviceMs = emulate && Math.round(emulate.serviceTime * 1000)
  const config = { ...filesystem!, ...(serviceMs === undefined ? {} : { serviceMs }) }
  open.disk = await openDisk(open.tier.name, config, context)
  open.tier.directory = open.disk.files.mountPoint
  open.tier.filesystem = config.type
  open.tier.device = open.disk.device
}

async function openDirectory(tier: Tier, directory: string, context: TierContext): Promise<void> {
  const parent = await realpath(dirname(directory)).catch(() => '')
  if (`${parent}/`.startsWith(`${context.stateDir}/`)) await makeDirectory(directory)
  const found = await stat(directory).catch((error) => {
    throw new UnavailableError(`${directory}: ${hint(error)}`, { cause: error })
  })
  if (!found.isDirectory()) throw new UnavailableError(`${directory} is not a directory`)
  await tryWriting(directory)
  const { mount, device } = await filesystemOf(directory, await readMounts(context.procRoot))
  tier.directory = directory
  tier.filesystem = mount.filesystem
  const name = device && (await deviceName(context.procRoot, device))
  if (name) tier.device = name
}

async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o700 })
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return
    throw new UnavailableError(`${directory} cannot be made: ${hint(error)}`, { cause: error })
  }
}

/** Permissions alone do not tell: a read-only mount, a quota, a server that says no. */
async function tryWriting(directory: string): Promise<void> {
  const file = join(directory, `.kvmio-${process.pid}-${Date.now()}`)
  try {
    await (await open(file, 'wx', 0o600)).close()
    await rm(file)
  } catch (error) {
    throw new UnavailableError(`${directory} cannot be written to: ${hint(error)}`, {
      cause: error,
    })
  }
}

function hint(error: unknown): string {
  switch (codeOf(error)) {
    case 'ENOENT':
      return 'there is no such directory; make it'
    case 'EACCES':
    case 'EPERM':
      return 'permission denied; run kvmio as a user who may'
    case 'EROFS':
      return 'its filesystem is read-only'
    case 'ENOSPC':
      return 'its filesystem is full'
    default:
      return messageOf(error)
  }
}

async function deviceName(procRoot: string, device: string): Promise<string | undefined> {
  const devices = await readDiskstats(procRoot)
  return devices.find(({ major, minor }) => `${major}:${minor}` === device)?.device
}
