import { createHash } from 'node:crypto'
import { chmod, mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import type { ActiveStudy, Tier } from '../attribution/records.ts'
import type { ConfigHolder } from '../config/watch.ts'
import { withWorkloadText } from '../config/workload-text.ts'
import { removeOrphanVms } from '../guest/orphans.ts'
import type { VmPlan } from '../guest/plan.ts'
import { VmRegistry } from '../guest/registry.ts'
import type { VmContext } from '../guest/running-vm.ts'
import { type Manifest, readManifest } from '../host/manifest.ts'
import { lackOf, needsOf } from '../host/needs.ts'
import { readQemuVersion } from '../host/qemu.ts'
import { Journal } from '../journal/journal.ts'
import { lockState } from '../journal/lock.ts'
import { type UnfinishedRun, unfinishedRuns } from '../journal/runs.ts'
import { KvmioError, messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { Serial } from '../lib/serial.ts'
import { samplerErrors } from '../metrics/catalog.ts'
import { createOwnMetrics, type OwnMetrics } from '../metrics/render.ts'
import { MemorySampler } from '../sampler/memory-sampler.ts'
import { Sampler, type Second } from '../sampler/sampler.ts'
import {
  armCgroup,
  createCgroup,
  findIoHierarchy,
  type IoHierarchy,
  ioHierarchyAt,
  removeCgroup,
} from '../source/cgroup.ts'
import { readDiskstats } from '../source/diskstats.ts'
import { IostatReader } from '../source/iostat.ts'
import { Leases } from '../storage/lease.ts'
import { type FunctionContext, giveBackOrphans } from '../storage/passthrough.ts'
import { type OpenTier, openTier } from '../storage/tiers.ts'
import { removeOrphanVolumes, volumeTag } from '../storage/volume-group.ts'
import type { StudyContext } from '../study/context.ts'
import type { RunSummary, StudyEvent } from '../study/event.ts'
import { studyHash } from '../study/identity.ts'
import { runStudy, type StudyOptions, type StudySummary, takeUpRun } from '../study/runner.ts'
import { deviceCounts, unattributed } from './device-counts.ts'
import { createHostParts, type HostParts, once } from './host-parts.ts'
import { createHostProbing } from './host-probes.ts'
import type { ServeOptions } from './options.ts'
import { type FoundStudy, findStudies } from './studies.ts'
import { version } from './version.ts'

/** Everything of one state directory, from its lock to its vms: what `serve` and `run` stand on. */
export class Engine {
  readonly options: ServeOptions
  readonly holder: ConfigHolder
  readonly log: Log
  readonly own: OwnMetrics = createOwnMetrics()
  readonly registry = new VmRegistry()
  readonly leases = new Leases()
  readonly journal: Journal
  readonly hierarchy: IoHierarchy | undefined
  readonly sampler: Sampler
  readonly memorySampler: MemorySampler
  readonly iostat: IostatReader | undefined
  readonly hostParts: HostParts
  readonly #lock: Disposable
  readonly #cgroup: string
  readonly #vmContext: VmContext
  readonly #runAs: number | undefined
  readonly #tiers = new Map<string, OpenTier>()
  readonly #studies = new Map<string, { holders: number; active: ActiveStudy }>()
  readonly #secondListeners = new Set<(second: Second) => void>()
  readonly #eventListeners = new Set<(event: StudyEvent) => void>()
  #manifest: Promise<Manifest> | undefined
  readonly #opening = new Serial()

  /** Takes the state directory; throws when another kvmio has it. Nothing is started yet. */
  static async open(
    options: ServeOptions,
    holder: ConfigHolder,
    log: Log,
    signal: AbortSignal,
  ): Promise<Engine> {
    const { state, qemu } = holder.current
    await readQemuVersion(qemu.binary)
    await takeDirectory(state)
    const lock = lockState(state)
    const engine = new Engine(
      options,
      holder,
      log,
      lock,
      await usableHierarchy(options, state, log),
    )
    // A Ctrl-C at the terminal reaches iostat too, and it must not be started again for that.
    signal.addEventListener('abort', () => void engine.iostat?.stop(), { once: true })
    return engine
  }

  private constructor(
    options: ServeOptions,
    holder: ConfigHolder,
    log: Log,
    lock: Disposable,
    hierarchy: IoHierarchy | undefined,
  ) {
    const { state, qemu } = holder.current
    this.options = options
    this.holder = holder
    this.log = log
    this.#lock = lock
    this.hierarchy = hierarchy
    this.#cgroup = cgroupOf(state)
    this.#runAs = process.getuid?.() === 0 ? qemu.user : undefined
    this.journal = new Journal(join(state, 'journal.sqlite'))
    const now = () => Date.now() / 1000
    this.#vmContext = { procRoot: options.procRoot, binary: qemu.binary, hierarchy, log, now }
    this.hostParts = createHostParts(state, this.journal, this.#vmContext, this.#runAs)
    const onError = (source: string, error: unknown) => {
      this.own.inc(samplerErrors, { source })
      log.debug({ source, err: error }, 'a reading of the sampler was missed')
    }
    const vms = () => this.registry.records()
    this.memorySampler = new MemorySampler({ procRoot: options.procRoot, vms, onError })
    this.sampler = new Sampler({
      procRoot: options.procRoot,
      hierarchy,
      vms,
      tiers: () => this.tiers(),
      onError,
      onSecond: (second) => {
        for (const listener of this.#secondListeners) listener(second)
      },
    })
    this.iostat = options.collectors.has('iostat')
      ? new IostatReader({
          intervalSeconds: 1,
          now: () => performance.now(),
          onError: (error) => log.warn({ err: error }, 'iostat'),
        })
      : undefined
  }

  /** Removes what a killed kvmio left and no run owns, opens the tiers and starts to sample. Gives the runs to take up. */
  async start(): Promise<UnfinishedRun[]> {
    const { state } = this.holder.current
    const unfinished = unfinishedRuns(this.journal)
    const keep = new Set(unfinished.flatMap(({ vms }) => vms.map(({ name }) => name)))
    await mkdir(this.#vmsDir, { recursive: true, mode: 0o711 })
    const vms = await this.#removeOrphans(keep)
    // Once their vms have ended; later there are volumes that no vm has opened yet.
    const tag = volumeTag(await realpath(state))
    const { removed, left } = await removeOrphanVolumes(tag, this.options.procRoot)
    for (const line of [...vms, ...removed])
      this.log.info(`${line}, left by a kvmio that was killed`)
    for (const line of await giveBackOrphans(this.#functions, keep)) this.log.info(line)
    for (const line of left) this.log.warn(line)
    await Promise.all(
      Object.keys(this.holder.current.tiers).map((name) => this.#openTier(name, state)),
    )
    this.sampler.start()
    this.memorySampler.start()
    this.iostat?.start()
    return unfinished
  }

  /** Opens the tiers that a reloaded config has added, and takes over the figures of the others. */
  takeOverTiers(): Promise<void> {
    return this.#opening.run(async () => {
      const { state, tiers } = this.holder.current
      for (const [name, { target, capacity }] of Object.entries(tiers)) {
        const open = this.#tiers.get(name)
        if (!open) await this.#openTier(name, state)
        if (!open) continue
        open.tier.targetLatency = target?.latency
        open.tier.ratedTransactionsPerSecond = capacity?.transactionsPerSecond
      }
    })
  }

  tiers(): Tier[] {
    return [...this.#tiers.values()].map(({ tier }) => tier)
  }

  openTiers(): OpenTier[] {
    return [...this.#tiers.values()]
  }

  activeStudies(): ActiveStudy[] {
    return [...this.#studies.values()].map(({ active }) => active)
  }

  /** Calls back for each event of each study; the returned function ends that. */
  onEvent(listener: (event: StudyEvent) => void): () => void {
    this.#eventListeners.add(listener)
    return () => this.#eventListeners.delete(listener)
  }

  /** The study that a command's word stands for, as the config that is in force now has it. */
  async findStudy(reference: string): Promise<FoundStudy> {
    const found = await findStudies([reference], this.holder.current)
    if (found.length === 1) return found[0]!
    throw new KvmioError(`expected one study, got ${found.length} by the name ${reference}`)
  }

  /** Runs a study on this engine's tiers. */
  async runStudy(
    { name, study: configured, guest }: FoundStudy,
    options: StudyOptions,
    signal: AbortSignal,
  ): Promise<StudySummary> {
    const study = await withWorkloadText(name, configured)
    const hash = studyHash(study, guest)
    await this.takeOverTiers()
    using _held = this.holdStudy(name)
    return await runStudy({ name, study, guest, hash, ...options }, this.#studyContext(), signal)
  }

  /** Sees a run of a killed kvmio to its end. */
  async takeUp(run: UnfinishedRun, signal: AbortSignal): Promise<RunSummary> {
    const plans = run.vms.map(({ plan }) => plan as VmPlan)
    const tiers = [...new Set(plans.flatMap(leasedBy))]
    this.log.info({ study: run.study, case: run.caseName }, `taking up run ${run.id}`)
    using _held = this.holdStudy(run.study)
    return await takeUpRun(run, tiers, this.#studyContext(), signal)
  }

  /** Stops sampling, closes the tiers and gives the state directory back. The vms must have ended. */
  async close(): Promise<void> {
    await Promise.all([this.sampler.stop(), this.memorySampler.stop(), this.iostat?.stop()])
    for (const open of this.#tiers.values()) {
      await open
        .close()
        .catch((error) => this.log.error({ tier: open.tier.name, err: error }, 'tier not closed'))
    }
    if (this.hierarchy) {
      await removeCgroup(this.hierarchy, this.#cgroup).catch((error) =>
        this.log.error({ err: error }, 'cgroup'),
      )
    }
    this.journal.close()
    this.#lock[Symbol.dispose]()
  }

  /** Keeps a study among the active ones, with what is known of its vms, until it is disposed of. */
  holdStudy(name: string): Disposable {
    const entry = this.#studies.get(name) ?? { holders: 0, active: { name } }
    this.#studies.set(name, entry)
    entry.holders += 1
    return {
      [Symbol.dispose]: () => {
        entry.holders -= 1
        if (entry.holders > 0) return
        this.#studies.delete(name)
        this.registry.forget(name)
      },
    }
  }

  #studyContext(): StudyContext {
    const { state, qemu } = this.holder.current
    const { procRoot, sysRoot } = this.options
    const kvm = () => this.hostParts.kvm()
    // Anew for each study: what was missing may have been installed since.
    const probing = once(() =>
      createHostProbing({ stateDir: state, binary: qemu.binary, procRoot, sysRoot, kvm }),
    )
    return {
      stateDir: state,
      journal: this.journal,
      registry: this.registry,
      leases: this.leases,
      functions: this.#functions,
      vm: this.#vmContext,
      tier: (name) => this.#tiers.get(name),
      appliance: () => this.hostParts.appliance(),
      packageDrive: (packages) => this.hostParts.packageDrive(packages),
      debian: () => this.hostParts.debian(),
      lack: async (guest, study) => lackOf(needsOf(guest, study), await probing()),
      accelerator: (guest) => this.hostParts.accelerator(guest),
      manifest: () =>
        (this.#manifest ??= readManifest(version, qemu.binary, this.options.procRoot)),
      cgroup: this.hierarchy && this.#cgroup,
      runAs: this.#runAs,
      freeSpaceFloor: () => this.holder.current.freeSpaceFloor,
      devices: async () => (await this.sampler.readDevices()).map(deviceCounts),
      unattributed: () => unattributed(this.sampler),
      onSecond: (listener) => {
        this.#secondListeners.add(listener)
        return () => this.#secondListeners.delete(listener)
      },
      onEvent: (event) => this.#take(event),
      takeLast: (vm) => this.sampler.takeLast(vm),
    }
  }

  #take(event: StudyEvent): void {
    const active = this.#studies.get(event.study)?.active
    if (active) follow(active, event)
    for (const listener of this.#eventListeners) listener(event)
  }

  async #openTier(name: string, stateDir: string): Promise<void> {
    const config = this.holder.current.tiers[name]!
    const { procRoot, sysRoot } = this.options
    const cgroups = this.hierarchy && { hierarchy: this.hierarchy, parent: this.#cgroup }
    const open = await openTier(name, config, {
      stateDir,
      procRoot,
      sysRoot,
      log: this.log,
      cgroups,
    })
    this.#tiers.set(name, open)
    const { tier } = open
    if (tier.unavailable !== undefined) {
      this.log.warn(`tier ${name} is unavailable: ${tier.unavailable}`)
      return
    }
    const place = tier.target ?? `${tier.directory} on ${tier.filesystem}`
    this.log.info(`tier ${name}: ${place}${tier.device ? `, device ${tier.device}` : ''}`)
    await this.#arm(tier).catch((error) =>
      this.log.warn({ tier: name, err: error }, 'cgroups may not count I/O on this tier'),
    )
  }

  async #arm({ device }: Tier): Promise<void> {
    if (!this.hierarchy || device === undefined) return
    const stats = await readDiskstats(this.options.procRoot)
    const stat = stats.find((stat) => stat.device === device)
    if (stat) await armCgroup(this.hierarchy, this.#cgroup, `${stat.major}:${stat.minor}`)
  }

  #removeOrphans(keep: ReadonlySet<string>): Promise<string[]> {
    const { procRoot } = this.options
    const cgroup = this.hierarchy && this.#cgroup
    return removeOrphanVms({
      procRoot,
      vmsDir: this.#vmsDir,
      hierarchy: this.hierarchy,
      cgroup,
      keep,
    })
  }

  get #functions(): FunctionContext {
    const { procRoot, sysRoot } = this.options
    return { stateDir: this.holder.current.state, procRoot, sysRoot }
  }

  get #vmsDir(): string {
    return join(this.holder.current.state, 'vms')
  }
}

/** What is known of a study that goes on, from what it tells. */
function follow(active: ActiveStudy, event: StudyEvent): void {
  switch (event.type) {
    case 'run-started':
      active.run = { case: event.case, block: event.block, id: event.run }
      break
    case 'run-ended':
      active.run = undefined
      break
    case 'paused':
      active.paused = event.cause
      break
    case 'resumed':
      active.paused = undefined
      break
    case 'progress': {
      const { done, of, planned, left } = event
      active.progress = { done, of, planned, left }
    }
  }
}

/** What one vm at a time has: a tier, a function that is passed through. */
function leasedBy({ drives, passthrough = [] }: VmPlan): string[] {
  return [...drives.map(({ tier }) => tier), ...passthrough.map(({ pci }) => pci)]
}

async function takeDirectory(state: string): Promise<void> {
  try {
    await mkdir(state, { recursive: true, mode: 0o711 })
    await chmod(state, 0o711) // others may pass through to what is theirs, and see nothing
  } catch (error) {
    throw new KvmioError(`the state directory cannot be used: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

/** The I/O cgroups of this host, if kvmio may make its own in them: without, a device's transactions are not told apart by vm. */
async function usableHierarchy(
  { procRoot, cgroupRoot }: ServeOptions,
  stateDir: string,
  log: Log,
): Promise<IoHierarchy | undefined> {
  try {
    const hierarchy = await (cgroupRoot === undefined
      ? findIoHierarchy(procRoot)
      : ioHierarchyAt(cgroupRoot))
    if (hierarchy) await createCgroup(hierarchy, cgroupOf(stateDir))
    else log.warn('no I/O cgroups on this host: what a vm does on a device is not known')
    return hierarchy
  } catch (error) {
    log.warn(`no I/O cgroups for the vms: ${messageOf(error)}`)
    return undefined
  }
}

/** The cgroup of a state directory: two kvmio on one host do not meet. */
export function cgroupOf(stateDir: string): string {
  return `kvmio-${sha256(stateDir).slice(0, 8)}`
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
