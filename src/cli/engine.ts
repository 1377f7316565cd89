import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ActiveStudy, KnownVm, Tier, Vm } from '../attribution/records.ts'
import type { ConfigHolder } from '../config/watch.ts'
import { WebConfigHolder } from '../config/web-holder.ts'
import { withWorkloadText } from '../config/workload-text.ts'
import { Discovery } from '../discovery/discovery.ts'
import type { VmPlan } from '../guest/plan.ts'
import { VmRegistry } from '../guest/registry.ts'
import type { VmContext } from '../guest/running-vm.ts'
import { type Manifest, readManifest } from '../host/manifest.ts'
import { lackOf, needsOf } from '../host/needs.ts'
import { readQemuVersion } from '../host/qemu.ts'
import { Journal } from '../journal/journal.ts'
import { lockState } from '../journal/lock.ts'
import { abandonRamps } from '../journal/ramps.ts'
import { type UnfinishedRun, unfinishedRuns } from '../journal/runs.ts'
import { KvmioError, messageOf } from '../lib/errors.ts'
import { HangGuard } from '../lib/hang-guard.ts'
import type { Log } from '../lib/log.ts'
import { samplerErrors } from '../metrics/catalog.ts'
import { createOwnMetrics, type OwnMetrics } from '../metrics/render.ts'
import { createImageReader, type ImageReader } from '../sampler/image-reader.ts'
import {
  createDescriptorReader,
  createMemoryReader,
  type ProcessReader,
} from '../sampler/process-readers.ts'
import { Sampler } from '../sampler/sampler.ts'
import type { Second } from '../sampler/second.ts'
import { type IoHierarchy, removeCgroup } from '../source/cgroup.ts'
import type { Descriptors } from '../source/descriptors.ts'
import { IostatReader } from '../source/iostat.ts'
import { readMeminfo } from '../source/proc.ts'
import type { ProportionalMemory } from '../source/smaps.ts'
import { Leases } from '../storage/lease.ts'
import type { FunctionContext } from '../storage/passthrough.ts'
import {
  type CalibrationContext,
  calibrate,
  removeOrphanCalibrations,
} from '../study/calibration/calibrate.ts'
import type {
  CalibrationEvent,
  CalibrationResult,
  CalibrationTask,
} from '../study/calibration/records.ts'
import type { StudyContext } from '../study/context.ts'
import type { RunSummary, StudyEvent } from '../study/event.ts'
import { studyHash } from '../study/identity.ts'
import type { RampEvent, RampSummary } from '../study/ramp/event.ts'
import { type RampTask, runRamp } from '../study/ramp/task.ts'
import { runStudy, type StudyOptions, type StudySummary, takeUpRun } from '../study/runner.ts'
import { follow } from './active-study.ts'
import { type Cgroups, openCgroups } from './cgroups.ts'
import { deviceCounts, unattributed } from './device-counts.ts'
import { createHostParts, type HostParts, once } from './host-parts.ts'
import { createHostProbing } from './host-probes.ts'
import { removeLeftovers } from './leftovers.ts'
import type { ServeOptions } from './options.ts'
import { type FoundStudy, findStudies } from './studies.ts'
import { TierSet } from './tier-set.ts'
import { version } from './version.ts'

/** Everything of one state directory, from its lock to its vms: what `serve` and `run` stand on. */
export class Engine {
  readonly options: ServeOptions
  readonly holder: ConfigHolder
  /** Undefined without --web.config.file. */
  readonly webHolder: WebConfigHolder | undefined
  readonly log: Log
  readonly own: OwnMetrics = createOwnMetrics()
  readonly registry = new VmRegistry()
  readonly leases = new Leases()
  readonly journal: Journal
  readonly hierarchy: IoHierarchy | undefined
  readonly sampler: Sampler
  readonly guard = new HangGuard()
  readonly memory: ProcessReader<ProportionalMemory>
  readonly descriptors: ProcessReader<Descriptors>
  readonly images: ImageReader
  readonly discovery: Discovery
  readonly iostat: IostatReader | undefined
  readonly configuredTiers: TierSet
  readonly hostParts: HostParts
  readonly #lock: Disposable
  readonly #cgroups: Cgroups
  readonly #vmContext: VmContext
  readonly #runAs: number | undefined
  readonly #studies = new Map<string, { holders: number; active: ActiveStudy }>()
  readonly #secondListeners = new Set<(second: Second) => void>()
  readonly #eventListeners = new Set<(event: StudyEvent) => void>()
  #manifest: Promise<Manifest> | undefined

  /** Takes the state directory; throws when another kvmio has it. Nothing is started yet. */
  static async open(
    options: ServeOptions,
    holder: ConfigHolder,
    log: Log,
    signal: AbortSignal,
  ): Promise<Engine> {
    const { state, qemu } = holder.current
    const { webConfigFile } = options
    const webHolder = webConfigFile ? new WebConfigHolder(webConfigFile, { log }) : undefined
    await readQemuVersion(qemu.binary)
    await takeDirectory(state)
    const lock = lockState(state)
    const cgroups = await openCgroups(options, state, log)
    const engine = new Engine(options, { holder, webHolder }, log, lock, cgroups)
    // A Ctrl-C at the terminal reaches iostat too, and it must not be started again for that.
    signal.addEventListener('abort', () => void engine.iostat?.stop(), { once: true })
    return engine
  }

  private constructor(
    options: ServeOptions,
    { holder, webHolder }: Pick<Engine, 'holder' | 'webHolder'>,
    log: Log,
    lock: Disposable,
    cgroups: Cgroups,
  ) {
    const { state, qemu } = holder.current
    this.options = options
    this.holder = holder
    this.webHolder = webHolder
    this.log = log
    this.#lock = lock
    const { hierarchy } = cgroups
    this.hierarchy = hierarchy
    this.#cgroups = cgroups
    this.#runAs = process.getuid?.() === 0 ? qemu.user : undefined
    this.journal = new Journal(join(state, 'journal.sqlite'))
    this.configuredTiers = new TierSet({ options, holder, journal: this.journal, cgroups, log })
    const now = () => Date.now() / 1000
    this.#vmContext = { procRoot: options.procRoot, binary: qemu.binary, hierarchy, log, now }
    this.hostParts = createHostParts(state, this.journal, this.#vmContext, this.#runAs)
    const onError = (source: string, error: unknown) => {
      this.own.inc(samplerErrors, { source })
      log.debug({ source, err: error }, 'a reading of the sampler was missed')
    }
    const vms = () => this.vms()
    const { procRoot, sysRoot } = options
    const reading = { guard: this.guard, onError }
    this.memory = createMemoryReader({ procRoot, vms, ...reading })
    this.descriptors = createDescriptorReader({ procRoot, vms, ...reading })
    this.images = createImageReader({ sysRoot, vms, tiers: () => this.tiers(), ...reading })
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
    this.discovery = new Discovery({
      procRoot: options.procRoot,
      sysRoot: options.sysRoot,
      hierarchy,
      log,
      now: () => performance.now(),
      config: () => holder.current.discovery,
      tiers: () => this.configuredTiers.records(),
      // A socket in the state directory is what every qemu of this kvmio has.
      isOwn: (argv) => argv.some((word) => word.includes(`path=${state.replaceAll(',', ',,')}/`)),
      ownNames: () => new Set(this.registry.known().map(({ name }) => name)),
      onTier: (tier) => void this.configuredTiers.announce(tier),
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
    const unfinished = unfinishedRuns(this.journal)
    abandonRamps(this.journal, 'ended by the end of its kvmio')
    const keep = new Set(unfinished.flatMap(({ vms }) => vms.map(({ name }) => name)))
    await mkdir(this.#vmsDir, { recursive: true, mode: 0o711 })
    const leftovers = { functions: this.#functions, cgroups: this.#cgroups, log: this.log }
    await removeLeftovers({ ...leftovers, vmsDir: this.#vmsDir }, keep)
    await this.configuredTiers.open()
    const files = await removeOrphanCalibrations(this.journal, this.configuredTiers.all())
    for (const line of files.removed) this.log.info(`${line}, left by a kvmio that was killed`)
    for (const line of files.left) this.log.warn(line)
    await this.discovery.start()
    this.sampler.start()
    for (const reader of this.#slowReaders) reader.start()
    this.iostat?.start()
    return unfinished
  }

  /** Those of the config, and those that are found where vms are that kvmio did not start. */
  tiers(): Tier[] {
    return [...this.configuredTiers.records(), ...this.discovery.tiers()]
  }

  /** Those that run, whoever started them. */
  vms(): Vm[] {
    return [...this.registry.records(), ...this.discovery.vms()]
  }

  knownVms(): KnownVm[] {
    const found = this.discovery.vms().map((vm) => ({ ...vm, running: true }))
    return [...this.registry.known(), ...found]
  }

  activeStudies(): ActiveStudy[] {
    return [...this.#studies.values()].map(({ active }) => active)
  }

  /** Calls back for each event of each study; the returned function ends that. */
  onEvent(listener: (event: StudyEvent) => void): () => void {
    this.#eventListeners.add(listener)
    return () => this.#eventListeners.delete(listener)
  }

  /** Calls back after each second that was sampled; the returned function ends that. */
  onSecond(listener: (second: Second) => void): () => void {
    this.#secondListeners.add(listener)
    return () => this.#secondListeners.delete(listener)
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
    const hash = studyHash(study, guest, this.holder.current.tiers)
    await this.configuredTiers.takeOver()
    using _held = this.holdStudy(name)
    return await runStudy({ name, study, guest, hash, ...options }, this.#studyContext(), signal)
  }

  /** Ramps the vms of a guest on one of this engine's tiers. */
  async ramp(
    task: RampTask,
    tell: (event: RampEvent) => void,
    signal: AbortSignal,
  ): Promise<RampSummary> {
    await this.configuredTiers.takeOver()
    return await runRamp(task, this.#studyContext(), tell, signal)
  }

  /** Measures a tier, and takes over what it came to. */
  async calibrate(
    task: CalibrationTask,
    tell: (event: CalibrationEvent) => void,
    signal: AbortSignal,
  ): Promise<CalibrationResult> {
    const { journal, leases, holder } = this
    await this.configuredTiers.takeOver()
    const context: CalibrationContext = {
      journal,
      leases,
      tier: (name) => this.configuredTiers.get(name),
      manifest: () => this.#readManifest(),
      freeSpaceFloor: () => holder.current.freeSpaceFloor,
      devices: async () => (await this.sampler.readDevices()).map(deviceCounts),
    }
    const result = await calibrate(task, context, tell, signal)
    this.configuredTiers.takeCalibration(this.configuredTiers.get(task.tier)!)
    return result
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
    const readers = [this.sampler, ...this.#slowReaders, this.discovery, this.iostat]
    await Promise.all(readers.map((reader) => reader?.stop()))
    await this.configuredTiers.close()
    const { hierarchy, own } = this.#cgroups
    if (hierarchy && own !== undefined) {
      await removeCgroup(hierarchy, own).catch((error) => this.log.error({ err: error }, 'cgroup'))
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
      tier: (name) => this.configuredTiers.get(name),
      appliance: () => this.hostParts.appliance(),
      packageDrive: (packages) => this.hostParts.packageDrive(packages),
      debian: () => this.hostParts.debian(),
      lack: async (guest, study) => lackOf(needsOf(guest, study), await probing()),
      accelerator: (guest) => this.hostParts.accelerator(guest),
      manifest: () => this.#readManifest(),
      cgroup: this.#cgroups.own,
      runAs: this.#runAs,
      freeSpaceFloor: () => this.holder.current.freeSpaceFloor,
      memory: () => readMeminfo(procRoot),
      memoryOf: (name) => {
        const pid = this.registry.records().find((vm) => vm.name === name)?.pid
        return pid === undefined ? undefined : this.memory.of(pid)?.totalBytes
      },
      devices: async () => (await this.sampler.readDevices()).map(deviceCounts),
      unattributed: () => unattributed(this.sampler),
      onSecond: (listener) => this.onSecond(listener),
      onEvent: (event) => this.#take(event),
      takeLast: (vm) => this.sampler.takeLast(vm),
    }
  }

  #readManifest(): Promise<Manifest> {
    const { binary } = this.holder.current.qemu
    this.#manifest ??= readManifest(version, binary, this.options.procRoot)
    return this.#manifest
  }

  #take(event: StudyEvent): void {
    const active = this.#studies.get(event.study)?.active
    if (active) follow(active, event)
    for (const listener of this.#eventListeners) listener(event)
  }

  get #slowReaders() {
    return [this.memory, this.descriptors, this.images]
  }

  get #functions(): FunctionContext {
    const { procRoot, sysRoot } = this.options
    return { stateDir: this.holder.current.state, procRoot, sysRoot }
  }

  get #vmsDir(): string {
    return join(this.holder.current.state, 'vms')
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
