import { access, readlink, realpath } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { drivesOf, type ForeignDrive } from '../attribution/foreign-drives.ts'
import { type ForeignProcess, managerOf, nameOf } from '../attribution/foreign-names.ts'
import { tierOf } from '../attribution/image-tier.ts'
import { imagePaths } from '../attribution/qemu-slots.ts'
import type { Drive, Tier, Vm } from '../attribution/records.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { IoHierarchy } from '../source/cgroup.ts'
import { type FilePlace, FilePlaces, type HostPlaces } from '../source/file-place.ts'
import { type OpenFile, readOpenFiles } from '../source/open-files.ts'
import { findOwnCgroup } from '../source/process-cgroup.ts'
import { KeptQmp } from './kept-qmp.ts'

export interface ForeignVmContext {
  procRoot: string
  sysRoot: string
  hierarchy: IoHierarchy | undefined
  log: Log
  /** Milliseconds of a monotonic clock. */
  now(): number
}

const LOOK_MS = 2_000

/** A drive whose image's place is known, as far as it is. */
interface PlacedDrive {
  drive: ForeignDrive
  place?: FilePlace
}

/** A vm that kvmio did not start, from when its qemu is found until it has gone. It is only looked at. */
export class ForeignVm {
  readonly process: ForeignProcess
  readonly #context: ForeignVmContext
  readonly #told = new Set<string>()
  #drives: PlacedDrive[] = []
  #accelerator: string
  #cgroup: string | undefined
  #looking: Promise<void> | undefined
  #qmp: KeptQmp | undefined

  constructor(process: ForeignProcess, context: ForeignVmContext) {
    this.process = process
    this.#context = context
    this.#accelerator = acceleratorOf(process)
  }

  /**
   * Reads what may change: the files that are open, the cgroup. What cannot be read is absent, and told once. What does not
   * answer, as a link to a server that has gone, is waited for by nobody else.
   */
  async look(host: HostPlaces): Promise<void> {
    if (this.#looking) return
    this.#looking = this.#readAll(host).finally(() => {
      this.#looking = undefined
    })
    const given = new AbortController()
    const late = sleep(LOOK_MS, undefined, { signal: given.signal }).catch(() => {})
    await Promise.race([this.#looking, late])
    given.abort()
  }

  /** Keeps a connection to a QMP socket that is there, and to none when no path is given. */
  async keepQmp(path: string | undefined): Promise<void> {
    const isThere = path !== undefined && (await isReachable(path))
    if (this.#qmp && (!isThere || this.#qmp.path !== path)) {
      await this.#qmp.close()
      this.#qmp = undefined
    }
    if (!isThere) return
    const { log, now } = this.#context
    const name = `vm ${nameOf(this.process)}`
    this.#qmp ??= new KeptQmp({
      name,
      path,
      now,
      onLack: (error) => log.warn(`${name}: no drive figures over QMP: ${messageOf(error)}`),
    })
    this.#qmp.keep()
  }

  /** As it is now, with the tiers of its drives. */
  record(name: string, configured: readonly Tier[]): { vm: Vm; tiers: Tier[] } {
    const { pid, line } = this.process
    const placed = this.#drives.map((drive) => onTier(drive, configured))
    const vm: Vm = {
      name,
      manager: managerOf(this.process),
      accelerator: this.#accelerator,
      ...(this.#qmp ? {} : { unasked: true as const }),
      drives: placed.map(({ drive }) => drive),
      pid,
      adopted: true,
      ...(line.memoryBytes === undefined ? {} : { memoryBytes: line.memoryBytes }),
      ...(this.#cgroup === undefined ? {} : { cgroup: this.#cgroup }),
      guestDisks: () => [],
    }
    // It comes and goes by itself.
    Object.defineProperty(vm, 'qmp', { enumerable: true, get: () => this.#qmp?.open })
    return { vm, tiers: placed.flatMap(({ tier }) => tier ?? []) }
  }

  async close(): Promise<void> {
    await this.#qmp?.close()
  }

  async #readAll(host: HostPlaces): Promise<void> {
    await this.#try('its open files, so its drives', () => this.#readDrives(host))
    await this.#try('its cgroup', () => this.#readCgroup())
  }

  async #readDrives(host: HostPlaces): Promise<void> {
    const { procRoot, sysRoot } = this.#context
    const { pid, line } = this.process
    const { files, hasKvmVm } = await readOpenFiles(procRoot, pid)
    // The kernel knows better than the command line, by which qemu may have fallen back to another.
    if (hasKvmVm) this.#accelerator = 'kvm'
    const paths = await resolvePaths(procRoot, pid, imagePaths(line), files)
    const places = await FilePlaces.read({ procRoot, sysRoot }, pid, host)
    const drives = drivesOf(line, files, (path) => paths.get(path) ?? path)
    this.#drives = await Promise.all(
      drives.map(async (drive) => ({ drive, place: await places.of(drive.file) })),
    )
  }

  async #readCgroup(): Promise<void> {
    const { hierarchy, procRoot } = this.#context
    if (hierarchy) this.#cgroup = await findOwnCgroup(hierarchy, procRoot, this.process.pid)
  }

  async #try(what: string, read: () => Promise<void>): Promise<void> {
    try {
      await read()
    } catch (error) {
      if (this.#told.has(what)) return
      this.#told.add(what)
      const { log } = this.#context
      log.warn(`vm ${nameOf(this.process)}: ${what} cannot be read: ${messageOf(error)}`)
    }
  }
}

function onTier({ drive, place }: PlacedDrive, configured: readonly Tier[]) {
  const { file, ...options } = drive
  const tier = place && tierOf({ path: file.path, place }, configured)
  const backend = backendOf(file, place)
  const placed: Drive = { ...options, tier: tier?.name ?? '', backend }
  return { drive: placed, tier }
}

function backendOf({ path }: OpenFile, place: FilePlace | undefined): Drive['backend'] {
  const isDevice = place !== undefined && place.kind !== 'filesystem'
  return { kind: isDevice ? 'device' : 'file', path: place?.path ?? path }
}

/** Without an option qemu takes TCG, but a binary that is called kvm takes KVM (system/vl.c: configure_accelerators). */
function acceleratorOf({ argv, line }: ForeignProcess): string {
  return line.accelerator ?? (/kvm$/.test(argv[0] ?? '') ? 'kvm' : 'tcg')
}

/**
 * The paths of open files by what the command line calls them: relative to where qemu was started, or by symbolic links
 * such as /dev/GROUP/VOLUME. One that is open under its own name is not looked up.
 */
async function resolvePaths(
  procRoot: string,
  pid: number,
  paths: readonly string[],
  files: readonly OpenFile[],
): Promise<Map<string, string>> {
  const open = new Set(files.map(({ path }) => path))
  const unknown = paths.filter((path) => !open.has(path))
  if (unknown.length === 0) return new Map()
  const folder = await readlink(join(procRoot, String(pid), 'cwd'))
  const found = unknown.map(async (path): Promise<[string, string][]> => {
    const absolute = resolve(folder, path)
    if (open.has(absolute)) return [[path, absolute]]
    const real = await realpath(absolute).catch(() => undefined)
    return real === undefined ? [] : [[path, real]]
  })
  return new Map((await Promise.all(found)).flat())
}

async function isReachable(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}
