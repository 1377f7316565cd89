import { managerOf, nameOf, uniqueNames } from '../attribution/foreign-names.ts'
import type { Tier, Vm } from '../attribution/records.ts'
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
  #tiers = new Map<string, Tier>()
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
    await this.#forgetAll()
  }

  /** Looks for qemus that have come and gone. */
  async scan(): Promise<void> {
    const { log, config } = this.#options
    try {
      if (!config().qemu) await this.#forgetAll()
      else {
        await this.#forgetEnded()
        await this.#findNew()
        await this.#lookAtEach()
      }
      this.#takeTiers()
    } catch (error) {
      log.warn({ err: error }, 'qemu processes could not be looked for')
    }
  }

  vms(): Vm[] {
    return this.#records().map(({ vm }) => vm)
  }

  /** Those that are not in the config, and have a vm on them. */
  tiers(): Tier[] {
    return [...this.#tiers.values()]
  }

  #names(): Map<number, string> {
    const processes = [...this.#found.values()].map(({ vm }) => vm.process)
    return uniqueNames(processes, this.#options.ownNames())
  }

  #records() {
    const names = this.#names()
    const configured = this.#options.tiers()
    return [...this.#found].map(([pid, { vm }]) => vm.record(names.get(pid)!, configured))
  }

  async #findNew(): Promise<void> {
    const { procRoot } = this.#options
    if (this.#scans % SCANS_BETWEEN === 0) this.#others.clear()
    const pids = await readPids(procRoot)
    const present = new Set(pids)
    for (const pid of this.#others.keys()) if (!present.has(pid)) this.#others.delete(pid)
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
    const { config } = this.#options
    this.#scans += 1
    const names = this.#names()
    for (const [pid, found] of this.#found) {
      // Not all at once.
      const isDue = (this.#scans + pid) % SCANS_BETWEEN === 0
      if (found.looks < FIRST_LOOKS || isDue) {
        found.looks += 1
        await found.vm.look()
      }
      await found.vm.keepQmp(socketOf(names.get(pid)!, config().qmp))
    }
  }

  async #forgetEnded(): Promise<void> {
    const { procRoot } = this.#options
    for (const [pid, { vm }] of this.#found) {
      if (!(await isSameProcess(procRoot, pid, vm.process.startTicks))) await this.#forget(pid, vm)
    }
  }

  async #forgetAll(): Promise<void> {
    for (const [pid, { vm }] of this.#found) await this.#forget(pid, vm)
    this.#others.clear()
    this.#tiers.clear()
  }

  async #forget(pid: number, vm: ForeignVm): Promise<void> {
    this.#found.delete(pid)
    await vm.close()
  }

  #takeTiers(): void {
    const before = this.#tiers
    const found = this.#records().flatMap(({ tiers }) => tiers.filter((tier) => tier.found))
    this.#tiers = new Map(found.map((tier) => [tier.name, before.get(tier.name) ?? tier]))
    for (const [name, tier] of this.#tiers) if (!before.has(name)) this.#options.onTier(tier)
  }
}
