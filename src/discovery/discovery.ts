import { managerOf, nameOf, uniqueNames } from '../attribution/foreign-names.ts'
import type { Tier, Vm } from '../attribution/records.ts'
import { type HostPlaces, readHostPlaces } from '../source/file-place.ts'
import { isSameProcess, readProcStat } from '../source/proc.ts'
import { parseQemuCommandLine } from '../source/qemu-command-line.ts'
import { isQuestion, readPids, readQemuArguments } from '../source/qemu-processes.ts'
import { ForeignVm, type ForeignVmContext } from './foreign-vm.ts'
import { socketOf } from './qmp-socket.ts'

export interface DiscoveryOptions extends ForeignVmContext {
  /** What the config in force says. */
  config(): DiscoveryConfig
  /** The tiers of the config. */
  tiers(): readonly Tier[]
  /** Whether a qemu is one that this kvmio started, by its arguments. */
  isOwn(argv: readonly string[]): boolean
  /** The names of this kvmio's own vms. */
  ownNames(): ReadonlySet<string>
  /** A tier was found; called once while there is a vm on it. */
  onTier(tier: Tier): void
}

export interface DiscoveryConfig {
  qemu: boolean
  /** A path with {vm} in it, or paths by name. */
  qmp?: string | Readonly<Record<string, string>>
}

const INTERVAL_MS = 5_000
/** A qemu that has just begun opens its images, and its manager moves it to its cgroup, in its first moments. */
const FIRST_LOOKS = 3
/** Later it is looked at each half minute, and all other processes are, for what one was not when it was new. */
const SCANS_BETWEEN = 6

interface Found {
  vm: ForeignVm
  looks: number
}

/** Finds the qemus that kvmio did not start, and keeps what is known of them, until they have gone. */
export class Discovery {
  readonly #options: DiscoveryOptions
  /** By pid. */
  readonly #found = new Map<number, Found>()
  /** Processes that are none, with how often they were looked at: what is forked is a qemu only when it has called exec. */
  readonly #others = new Map<number, number>()
  #vms: Vm[] = []
  #tiers = new Map<string, Tier>()
  /** Connections of vms that are forgotten. */
  readonly #closing = new Set<Promise<void>>()
  #scans = 0
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(options: DiscoveryOptions) {
    this.#options = options
  }

  /** Scans now, and then each five seconds. */
  async start(): Promise<void> {
    const tick = async () => {
      this.#running = this.scan()
      await this.#running
      if (this.#timer) this.#timer = setTimeout(tick, INTERVAL_MS)
    }
    await this.scan()
    this.#timer = setTimeout(tick, INTERVAL_MS)
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    await this.#running
    this.#forget(() => true)
    await Promise.all(this.#closing)
  }

  /** Looks for qemus that have come and gone. */
  async scan(): Promise<void> {
    const { log, config } = this.#options
    try {
      if (!config().qemu) this.#forget(() => true)
      else {
        const pids = new Set(await readPids(this.#options.procRoot))
        this.#forget((pid) => !pids.has(pid))
        await this.#findNew(pids)
        await this.#lookAtEach()
      }
      this.#takeRecords()
    } catch (error) {
      log.warn({ err: error }, 'qemu processes could not be looked for')
    }
  }

  vms(): Vm[] {
    const own = this.#options.ownNames()
    if (this.#vms.some(({ name }) => own.has(name))) this.#takeRecords()
    return this.#vms
  }

  /** Those that are not in the config, and have a vm on them. */
  tiers(): Tier[] {
    return [...this.#tiers.values()]
  }

  #names(): Map<number, string> {
    const processes = [...this.#found.values()].map(({ vm }) => vm.process)
    return uniqueNames(processes, this.#options.ownNames())
  }

  async #findNew(pids: ReadonlySet<number>): Promise<void> {
    if (this.#scans % SCANS_BETWEEN === 0) this.#others.clear()
    for (const pid of this.#others.keys()) if (!pids.has(pid)) this.#others.delete(pid)
    for (const pid of pids) {
      const looks = this.#others.get(pid) ?? 0
      if (looks < 2 && !this.#found.has(pid) && !(await this.#find(pid)))
        this.#others.set(pid, looks + 1)
    }
  }

  async #find(pid: number): Promise<boolean> {
    const { procRoot, isOwn, log } = this.#options
    const argv = await readQemuArguments(procRoot, pid)
    if (!argv || isQuestion(argv) || isOwn(argv)) return false
    const stat = await readProcStat(procRoot, pid).catch(() => undefined)
    if (!stat) return false
    const { startTicks } = stat
    const process = { pid, startTicks, argv, line: parseQemuCommandLine(argv) }
    this.#found.set(pid, { vm: new ForeignVm(process, this.#options), looks: 0 })
    log.info(`found vm ${nameOf(process)} of ${managerOf(process)}: pid ${pid}`)
    return true
  }

  async #lookAtEach(): Promise<void> {
    const { config, procRoot } = this.#options
    let host: HostPlaces | undefined
    this.#scans += 1
    const names = this.#names()
    for (const [pid, found] of this.#found) {
      // Not all at once.
      const isDue = (this.#scans + pid) % SCANS_BETWEEN === 0
      if (found.looks < FIRST_LOOKS || isDue) {
        found.looks += 1
        if (!(await this.#isStillThere(found.vm))) continue
        host ??= await readHostPlaces(procRoot)
        await found.vm.look(host)
      }
      await found.vm.keepQmp(socketOf(names.get(pid)!, config().qmp))
    }
  }

  /** Another process may have its pid, and one that has ended may not have been waited for. */
  async #isStillThere({ process }: ForeignVm): Promise<boolean> {
    const { pid, startTicks } = process
    const isThere = await isSameProcess(this.#options.procRoot, pid, startTicks)
    if (!isThere) this.#forget((other) => other === pid)
    return isThere
  }

  /** What is forgotten is gone from the next page whole. */
  #forget(which: (pid: number) => boolean): void {
    const gone = [...this.#found].filter(([pid]) => which(pid))
    if (gone.length === 0) return
    for (const [pid, { vm }] of gone) {
      this.#found.delete(pid)
      const closing = vm.close().finally(() => this.#closing.delete(closing))
      this.#closing.add(closing)
    }
    this.#takeRecords()
  }

  #takeRecords(): void {
    const names = this.#names()
    const configured = this.#options.tiers()
    const records = [...this.#found].map(([pid, { vm }]) => vm.record(names.get(pid)!, configured))
    this.#vms = records.map(({ vm }) => vm)
    const before = this.#tiers
    const found = records.flatMap(({ tiers }) => tiers.filter((tier) => tier.found))
    this.#tiers = new Map(found.map((tier) => [tier.name, before.get(tier.name) ?? tier]))
    for (const [name, tier] of this.#tiers) if (!before.has(name)) this.#options.onTier(tier)
  }
}
