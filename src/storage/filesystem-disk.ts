import { access, mkdir, realpath } from 'node:fs/promises'
import { release } from 'node:os'
import { basename } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { messageOf, UnavailableError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { addToCgroup, createCgroup } from '../source/cgroup.ts'
import { findFilesystem } from '../source/filesystems.ts'
import { type Mount, readMounts } from '../source/mounts.ts'
import { isAlive } from './daemon.ts'
import type { FreeDevice } from './device-safety.ts'
import { prepareDiskDevice } from './disk-device.ts'
import { type FilesystemConfig, isMadeAs, prepareDiskFile } from './disk-file.ts'
import {
  type DiskFiles,
  type DiskRecord,
  diskFiles,
  readDiskRecord,
  writeDiskRecord,
} from './disk-record.ts'
import { takeDownDisk } from './disk-teardown.ts'
import {
  type EmulatedDisk,
  MAX_REQUEST_KB,
  socketPathProblem,
  startEmulatedDisk,
} from './emulated-disk.ts'
import { attachLoop, loopsOn } from './loop.ts'
import { missingPrograms } from './programs.ts'
import type { TierContext } from './tier-context.ts'
import { within } from './within.ts'

const MOUNT_MS = 60_000 // some twenty requests, with a journal to replay more

/** A filesystem on a loop file or a device, with or without an emulated disk in between, mounted. */
export interface FilesystemDisk {
  files: DiskFiles
  /** The name of the device that is mounted. */
  device: string
  record: DiskRecord
}

export interface DiskConfig extends FilesystemConfig {
  /** The config's consent to destroy what is on the device. */
  overwrite?: string
  /** What is between the filesystem and its file or device. */
  emulate?: EmulatedDisk
}

/** Takes over the disk that a killed kvmio left, if it is whole and as configured; else builds it. */
export async function openDisk(
  name: string,
  config: DiskConfig,
  context: TierContext,
): Promise<FilesystemDisk> {
  const files = diskFiles(context.stateDir, name)
  const left = await readDiskRecord(files)
  if (left && isAsConfigured(left, config)) {
    const disk = await findWhole(files, left, context)
    if (disk) {
      context.log.info({ tier: name, device: disk.device }, 'tier is still up; taken over')
      return disk
    }
  }
  await checkHost(files, config, context.procRoot)
  await mkdir(files.directory, { recursive: true, mode: 0o700 })
  await clearAway(files, name, context)
  try {
    return await build(files, name, config, context)
  } catch (error) {
    const { left } = await takeDownDisk(files, name, context)
    for (const line of left) context.log.warn({ tier: name }, line)
    throw error
  }
}

/** Why the disk no longer works. Looks at processes, sysfs and the mount table only: a dead FUSE blocks any stat. */
export async function checkDisk(
  { files, record, device }: FilesystemDisk,
  context: Pick<TierContext, 'procRoot' | 'sysRoot'>,
): Promise<string | undefined> {
  const { live } = record
  for (const program of ['nbdkit', 'nbdfuse'] as const) {
    const daemon = live?.[program]
    if (daemon && !(await isAlive(context.procRoot, daemon))) {
      return `${program} (pid ${daemon.pid}) has ended, and the emulated disk with it`
    }
  }
  const file = backingFile(files, record)
  if (file !== undefined && !(await loopsOn(context.sysRoot, file)).includes(device)) {
    return `/dev/${device} is no longer attached to ${file}`
  }
  const mount = mountedAt(files.mountPoint, await readMounts(context.procRoot))
  if (!mount || (await sourceName(mount)) !== device) {
    return `/dev/${device} is no longer mounted at ${files.mountPoint}`
  }
  // ext4 says emergency_ro since kernel 6.15, and ro before.
  if (mount.options.some((option) => option === 'ro' || option === 'emergency_ro')) {
    return `${files.mountPoint} has become read-only after an I/O error`
  }
  return undefined
}

function isAsConfigured(record: DiskRecord, config: DiskConfig): boolean {
  const { type, size, device, mkfs = [], mount = [], emulate = {} } = config
  const { serviceMs, bytesPerSecond, parallel } = record
  const sizeBytes = size ?? record.sizeBytes // a device has its own
  return (
    isMadeAs(record, { type, sizeBytes, mkfs }) &&
    record.device === device &&
    isDeepStrictEqual(record.mount ?? [], mount) &&
    serviceMs === emulate.serviceMs &&
    bytesPerSecond === emulate.bytesPerSecond &&
    (parallel ?? 1) === (emulate.parallel ?? 1)
  )
}

async function findWhole(
  files: DiskFiles,
  record: DiskRecord,
  context: TierContext,
): Promise<FilesystemDisk | undefined> {
  const { live } = record
  if (!live || (isEmulated(record) && !(live.nbdkit && live.nbdfuse))) return undefined
  const file = backingFile(files, record)
  const devices = file === undefined ? [live.device ?? ''] : await loopsOn(context.sysRoot, file)
  if (devices.length !== 1) return undefined
  const disk = { files, device: devices[0]!, record }
  const problem = await checkDisk(disk, context)
  return problem === undefined ? disk : undefined
}

async function checkHost(
  files: DiskFiles,
  { type, device, emulate }: DiskConfig,
  procRoot: string,
): Promise<void> {
  const programs = [
    `mkfs.${type}`,
    ...['losetup', 'mount', 'umount'],
    ...(emulate ? ['setsid', 'nbdkit', 'nbdfuse'] : []),
    ...(device === undefined ? [] : ['wipefs']),
  ]
  const what = device === undefined ? 'loop devices and mounts' : 'devices and mounts'
  const loops = device === undefined || emulate
  const reason =
    (process.geteuid?.() !== 0
      ? `needs root for ${what}; run kvmio as root or use a directory`
      : undefined) ??
    (await missingPrograms(programs)) ??
    (loops ? await missingDevice('/dev/loop-control', 'loop devices') : undefined) ??
    (emulate ? await missingDevice('/dev/fuse', 'FUSE') : undefined) ??
    (emulate ? socketPathProblem(files) : undefined) ??
    ((await findFilesystem(procRoot, release(), type)) ? undefined : `this kernel has no ${type}`)
  if (reason !== undefined) throw new UnavailableError(reason)
}

async function missingDevice(path: string, what: string): Promise<string | undefined> {
  const there = await access(path).then(
    () => true,
    () => false,
  )
  return there ? undefined : `this host has no ${what}: ${path} is missing`
}

/** What is half there or not as configured. A loop device that stays would make two filesystems write to one file. */
async function clearAway(files: DiskFiles, name: string, context: TierContext): Promise<void> {
  const { removed, left } = await takeDownDisk(files, name, context)
  for (const line of removed) context.log.info({ tier: name }, `left from before: ${line}`)
  if (left.length > 0)
    throw new UnavailableError(`what was left of it is still in use: ${left.join('; ')}`)
}

async function build(
  files: DiskFiles,
  name: string,
  config: DiskConfig,
  context: TierContext,
): Promise<FilesystemDisk> {
  const { sysRoot, signal } = context
  const { record: prepared, device: target } = await prepare(files, name, config, context)
  const { serviceMs: _, bytesPerSecond: __, parallel: ___, mount: ____, ...made } = prepared
  const { emulate, mount: options } = config
  const live: NonNullable<DiskRecord['live']> = { mountPoint: files.mountPoint }
  const record: DiskRecord = { ...made, ...emulate, ...(options ? { mount: options } : {}), live }
  await writeDiskRecord(files, record)
  if (emulate) {
    live.socket = files.socket
    await writeDiskRecord(files, record)
    await startDaemons(
      files,
      name,
      { ...emulate, store: target?.path ?? files.image },
      record,
      context,
    )
  }
  signal?.throwIfAborted()
  const file = backingFile(files, record)
  const limit = emulate ? { maxRequestKb: MAX_REQUEST_KB } : {}
  const device = file === undefined ? target!.name : await attachLoop(file, { sysRoot, ...limit })
  if (file === undefined) live.device = device
  else live.loop = device
  await writeDiskRecord(files, record)
  signal?.throwIfAborted()
  await mkdir(files.mountPoint, { recursive: true })
  await mountDisk(files, config, target && !emulate ? target.path : `/dev/${device}`)
  return { files, device, record }
}

/** The filesystem, made or found, and the device that it is on unless that is a loop file. */
async function prepare(
  files: DiskFiles,
  name: string,
  config: DiskConfig,
  context: TierContext,
): Promise<{ record: DiskRecord; device?: FreeDevice }> {
  const before = await readDiskRecord(files)
  const { device } = config
  if (device !== undefined) {
    return await prepareDiskDevice(files, name, { ...config, device }, before, context)
  }
  const file = before?.device === undefined ? before : undefined // else the tier was on a device
  return { record: await prepareDiskFile(files, name, config, file, context.signal) }
}

async function startDaemons(
  files: DiskFiles,
  name: string,
  disk: EmulatedDisk & { store: string },
  record: DiskRecord,
  context: TierContext,
): Promise<void> {
  const { procRoot, log } = context
  await startEmulatedDisk(files, {
    ...disk,
    procRoot,
    log,
    started: async (program, daemon) => {
      record.live![program] = daemon
      await writeDiskRecord(files, record)
      await putInCgroup(daemon.pid, name, context)
    },
  })
}

async function mountDisk(
  files: DiskFiles,
  { type, mount: more = [], device }: DiskConfig,
  source: string,
): Promise<void> {
  const options = ['nodev', 'nosuid', 'noexec', ...more].join(',')
  const problem = await within(
    run('mount', ['-t', type, '-o', options, source, files.mountPoint]).then(() => '', messageOf),
    MOUNT_MS,
  )
  if (problem === '') return
  if (problem === undefined) {
    throw new UnavailableError(`${source} was not mounted in ${MOUNT_MS / 1000} s`)
  }
  const anew =
    device === undefined
      ? `remove ${files.image} to have it made anew`
      : `wipefs --all ${device} has it made anew`
  throw new UnavailableError(
    `${problem}; ${more.length > 0 ? 'check its mount options, or ' : ''}${anew}`,
  )
}

/** Without one the tier works, but what its daemons do is counted for nobody. */
async function putInCgroup(pid: number, name: string, context: TierContext): Promise<void> {
  const { cgroups, log } = context
  if (!cgroups) return
  const path = `${cgroups.parent}/tier-${name}`
  try {
    await createCgroup(cgroups.hierarchy, path)
    await addToCgroup(cgroups.hierarchy, path, pid)
  } catch (error) {
    log.warn({ err: error, tier: name }, 'tier has no cgroup')
  }
}

/** What is under the loop device; undefined where there is none. */
function backingFile(files: DiskFiles, record: DiskRecord): string | undefined {
  if (isEmulated(record)) return files.exported
  return record.device === undefined ? files.image : undefined
}

function isEmulated({ serviceMs, bytesPerSecond }: DiskRecord): boolean {
  return serviceMs !== undefined || bytesPerSecond !== undefined
}

/** The kernel's name of what is mounted: the device mapper's are mounted by another one. */
async function sourceName({ source }: Mount): Promise<string> {
  return basename(await realpath(source).catch(() => source))
}

/** The one on top, where several are at one place. */
function mountedAt(mountPoint: string, mounts: readonly Mount[]): Mount | undefined {
  return mounts.findLast((mount) => mount.mountPoint === mountPoint)
}
