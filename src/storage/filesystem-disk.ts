import { access, mkdir } from 'node:fs/promises'
import { release } from 'node:os'
import { messageOf, UnavailableError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { addToCgroup, createCgroup } from '../source/cgroup.ts'
import { findFilesystem } from '../source/filesystems.ts'
import { type Mount, readMounts } from '../source/mounts.ts'
import { isAlive } from './daemon.ts'
import { type FilesystemConfig, prepareDiskFile } from './disk-file.ts'
import {
  type DiskFiles,
  type DiskRecord,
  diskFiles,
  readDiskRecord,
  writeDiskRecord,
} from './disk-record.ts'
import { takeDownDisk } from './disk-teardown.ts'
import { MAX_REQUEST_KB, socketPathProblem, startEmulatedDisk } from './emulated-disk.ts'
import { attachLoop, loopsOn } from './loop.ts'
import { missingPrograms } from './programs.ts'
import type { TierContext } from './tier-context.ts'
import { within } from './within.ts'

const MOUNT_MS = 60_000 // some twenty requests, with a journal to replay more

/** A filesystem on a loop file, with or without an emulated disk in between, mounted. */
export interface FilesystemDisk {
  files: DiskFiles
  /** The loop device's name. */
  device: string
  record: DiskRecord
}

export interface DiskConfig extends FilesystemConfig {
  /** Of the emulated disk, in milliseconds; none without. */
  serviceMs?: number
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
  for (const program of ['nbdkit', 'nbdfuse'] as const) {
    const daemon = record.live?.[program]
    if (daemon && !(await isAlive(context.procRoot, daemon))) {
      return `${program} (pid ${daemon.pid}) has ended, and the emulated disk with it`
    }
  }
  const loops = await loopsOn(context.sysRoot, backingFile(files, record))
  if (!loops.includes(device)) {
    return `/dev/${device} is no longer attached to ${backingFile(files, record)}`
  }
  const mount = mountedAt(files.mountPoint, await readMounts(context.procRoot))
  if (mount?.source !== `/dev/${device}`) {
    return `/dev/${device} is no longer mounted at ${files.mountPoint}`
  }
  // ext4 says emergency_ro since kernel 6.15, and ro before.
  if (mount.options.some((option) => option === 'ro' || option === 'emergency_ro')) {
    return `${files.mountPoint} has become read-only after an I/O error`
  }
  return undefined
}

function isAsConfigured(record: DiskRecord, { type, size, serviceMs }: DiskConfig): boolean {
  return record.type === type && record.sizeBytes === size && record.serviceMs === serviceMs
}

async function findWhole(
  files: DiskFiles,
  record: DiskRecord,
  context: TierContext,
): Promise<FilesystemDisk | undefined> {
  const { live, serviceMs } = record
  if (!live || (serviceMs !== undefined && !(live.nbdkit && live.nbdfuse))) return undefined
  const loops = await loopsOn(context.sysRoot, backingFile(files, record))
  if (loops.length !== 1) return undefined
  const disk = { files, device: loops[0]!, record }
  const problem = await checkDisk(disk, context)
  return problem === undefined ? disk : undefined
}

async function checkHost(
  files: DiskFiles,
  { type, serviceMs }: DiskConfig,
  procRoot: string,
): Promise<void> {
  const emulated = serviceMs !== undefined
  const programs = [`mkfs.${type}`, 'losetup', 'mount', 'umount']
  const reason =
    (process.geteuid?.() !== 0
      ? 'needs root for loop devices and mounts; run kvmio as root or use a directory'
      : undefined) ??
    (await missingPrograms(emulated ? [...programs, 'setsid', 'nbdkit', 'nbdfuse'] : programs)) ??
    (await missingDevice('/dev/loop-control', 'loop devices')) ??
    (emulated ? await missingDevice('/dev/fuse', 'FUSE') : undefined) ??
    (emulated ? socketPathProblem(files) : undefined) ??
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
  const { sysRoot, procRoot, signal } = context
  const before = await readDiskRecord(files)
  const { serviceMs: _, ...prepared } = await prepareDiskFile(files, name, config, before, signal)
  const { serviceMs } = config
  const live: NonNullable<DiskRecord['live']> = { mountPoint: files.mountPoint }
  const record: DiskRecord = {
    ...prepared,
    ...(serviceMs === undefined ? {} : { serviceMs }),
    live,
  }
  await writeDiskRecord(files, record)
  if (serviceMs !== undefined) {
    live.socket = files.socket
    await writeDiskRecord(files, record)
    await startEmulatedDisk(files, {
      procRoot,
      log: context.log,
      serviceMs,
      started: async (program, daemon) => {
        live[program] = daemon
        await writeDiskRecord(files, record)
        await putInCgroup(daemon.pid, name, context)
      },
    })
  }
  signal?.throwIfAborted()
  const limit = serviceMs === undefined ? {} : { maxRequestKb: MAX_REQUEST_KB }
  const device = await attachLoop(backingFile(files, record), { sysRoot, ...limit })
  live.loop = device
  await writeDiskRecord(files, record)
  signal?.throwIfAborted()
  await mkdir(files.mountPoint, { recursive: true })
  await mount(files, config.type, device)
  return { files, device, record }
}

async function mount(files: DiskFiles, type: string, device: string): Promise<void> {
  const args = ['-t', type, '-o', 'nodev,nosuid,noexec', `/dev/${device}`, files.mountPoint]
  const problem = await within(
    run('mount', args).then(() => '', messageOf),
    MOUNT_MS,
  )
  if (problem === '') return
  if (problem === undefined) {
    throw new UnavailableError(`/dev/${device} was not mounted in ${MOUNT_MS / 1000} s`)
  }
  throw new UnavailableError(`${problem}; remove ${files.image} to have it made anew`)
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

function backingFile(files: DiskFiles, { serviceMs }: DiskRecord): string {
  return serviceMs === undefined ? files.image : files.exported
}

/** The one on top, where several are at one place. */
function mountedAt(mountPoint: string, mounts: readonly Mount[]): Mount | undefined {
  return mounts.findLast((mount) => mount.mountPoint === mountPoint)
}
