import type { Tier, Vm } from '../attribution/records.ts'
import { Serial } from '../lib/serial.ts'
import { type DriveStats, pollBlockStats } from '../source/blockstats.ts'
import { type IoHierarchy, readCgroupIo } from '../source/cgroup.ts'
import type { Diskstat } from '../source/diskstats.ts'
import { basisOf, type Demand, DemandBook, type DemandSample, operationCosts } from './demand.ts'
import { DeviceDemand } from './device-demand.ts'
import { DeviceSampler } from './device-sampler.ts'
import { HostCpuSampler } from './host-cpu-sampler.ts'
import { type IoCounts, NO_IO, plus, since } from './io-counts.ts'
import { RateHistogram } from './rate-histogram.ts'
import {
  type Draft,
  emptyDraft,
  type Reading,
  rateBetween,
  type Second,
  type Total,
} from './second.ts'

export interface SamplerOptions {
  procRoot: string
  hierarchy?: IoHierarchy
  vms(): readonly Vm[]
  tiers(): readonly Tier[]
  /** A reading that was missed: of which source, and why. */
  onError(source: string, error: unknown): void
  /** After each second, what it held. */
  onSecond?(second: Second): void
  /** Milliseconds of a monotonic clock. */
  now?(): number
}

interface Operations {
  read: number
  write: number
  flush: number
}

interface VmState {
  /** Of its qemu: the next vm of that name is another one. */
  pid: number
  before?: Reading
  /** By drive id. */
  operations: Map<string, Operations>
  /** By MAJ:MIN, as the cgroup last had it. */
  devices: Map<string, IoCounts>
  /** Of its cgroup: the last one may come beside that of a tick. */
  readings: Serial
  /** Absent where all its drives were passed through: qemu knows nothing of them, which is not that they rest. */
  rates?: RateHistogram
}

interface DevicesReading {
  stats: readonly Diskstat[]
  at: number
}

const INTERVAL_MS = 1_000
// A vm that does not answer within this costs its own sample of this second, not the others'.
const QMP_DEADLINE_MS = 800

/**
 * Reads the device and vm counters each second: a scrape smooths bursts away, and a variance cannot be had from averages.
 * What it keeps of a vm or a device goes with it.
 */
export class Sampler {
  readonly #options: SamplerOptions
  readonly #devices: DeviceSampler
  readonly #cpu: HostCpuSampler
  readonly #vms = new Map<string, VmState>()
  readonly #demand = new DemandBook()
  readonly #deviceDemand = new DeviceDemand()
  /** By MAJ:MIN, what vms did since the last tick and the next remainder must not count. */
  #attributed = new Map<string, IoCounts>()
  #timer: NodeJS.Timeout | undefined
  #lastTick: number | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(options: SamplerOptions) {
    this.#options = options
    this.#devices = new DeviceSampler(options.procRoot)
    this.#cpu = new HostCpuSampler(options.procRoot)
  }

  start(): void {
    const tick = async () => {
      const started = this.#now()
      this.#running = this.tick()
      await this.#running
      if (this.#timer)
        this.#timer = setTimeout(tick, Math.max(0, INTERVAL_MS - (this.#now() - started)))
    }
    this.#timer = setTimeout(tick, 0)
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    await this.#running
  }

  /** One reading of everything. */
  async tick(): Promise<void> {
    const now = this.#now()
    const seconds = this.#lastTick === undefined ? undefined : (now - this.#lastTick) / 1000
    this.#lastTick = now
    const vms = this.#options.vms()
    this.#forget(vms)
    const draft = emptyDraft()
    const reading = await this.#readDevicesFirst()
    await Promise.all(vms.map((vm) => this.#sampleVm(vm, draft)))
    if (reading) {
      const attributed = this.#attributed
      this.#attributed = new Map()
      this.#devices.sample(reading.stats, reading.at, attributed, draft)
      draft.demand.push(...this.#deviceDemandOf(reading, vms))
    }
    if (seconds !== undefined) this.#demand.add(draft.demand)
    const cpu = await this.#sampleCpu()
    if (seconds !== undefined) this.#options.onSecond?.({ seconds, ...draft, ...cpu })
  }

  /** A vm's last reading, before its qemu and its cgroup go: what it did in its last second stays attributed to it. */
  async takeLast(vm: Vm): Promise<void> {
    await this.#sampleCgroup(vm, this.#vmState(vm))
  }

  /** /proc/diskstats as it is now, with counters that never fall. */
  readDevices(): Promise<Diskstat[]> {
    return this.#devices.read()
  }

  get deviceRates(): ReadonlyMap<string, RateHistogram> {
    return this.#devices.rates
  }

  /** By device, for those that at least one vm's cgroup has named. */
  get unattributed(): ReadonlyMap<string, IoCounts> {
    return this.#devices.unattributed
  }

  get vmRates(): ReadonlyMap<string, RateHistogram> {
    return new Map([...this.#vms].flatMap(([name, { rates }]) => (rates ? [[name, rates]] : [])))
  }

  get vmDemand(): ReadonlyMap<string, readonly Demand[]> {
    return this.#demand.vms
  }

  get tierDemand(): readonly Demand[] {
    return this.#demand.tiers
  }

  #now(): number {
    return this.#options.now?.() ?? performance.now()
  }

  #forget(vms: readonly Vm[]): void {
    const names = new Set(vms.map(({ name }) => name))
    for (const name of this.#vms.keys()) if (!names.has(name)) this.#vms.delete(name)
    this.#demand.keep(names, new Set(this.#options.tiers().map(({ name }) => name)))
  }

  #vmState(vm: Vm): VmState {
    let state = this.#vms.get(vm.name)
    if (state?.pid !== vm.pid) {
      state = {
        pid: vm.pid,
        operations: new Map(),
        devices: new Map(),
        readings: new Serial(),
        ...(vm.drives.length > 0 && !vm.unasked && { rates: new RateHistogram() }),
      }
      this.#vms.set(vm.name, state)
      this.#demand.forget(vm.name)
    }
    return state
  }

  async #sampleVm(vm: Vm, draft: Draft): Promise<void> {
    const state = this.#vmState(vm)
    const [{ drives, at }] = await Promise.all([
      this.#readDrives(vm),
      this.#sampleCgroup(vm, state),
    ])
    if (state.devices.size > 0) draft.totals.cgroups.set(vm.name, groupTotal(state.devices))
    if (!drives || !state.rates) return
    draft.drives.set(vm.name, drives)
    // A medium that the vm reads from beside them is none of its drives.
    const own = drives.filter(({ id }) => vm.drives.some((drive) => drive.id === id))
    const operations = own.flatMap(({ read, write, flush }) => [read, write, flush])
    const transactions = sum(operations.map(({ operations }) => operations))
    const nanoseconds = sum(operations.map(({ nanoseconds }) => nanoseconds))
    const now = { transactions, seconds: nanoseconds / 1e9, at }
    const { before } = state
    state.before = now
    draft.totals.vms.set(vm.name, now)
    const costs = this.#demandOf(vm, drives, state)
    const rate = rateBetween(before, now)
    if (before === undefined || rate === undefined) return
    const seconds = (at - before.at) / 1000
    state.rates.observe(rate)
    draft.vms.set(vm.name, rate)
    for (const [tier, cost] of costs)
      draft.demand.push({ vm: vm.name, tier, basis: 'operations', seconds: cost / seconds })
  }

  async #readDrives(vm: Vm): Promise<{ drives?: DriveStats[]; at: number }> {
    if (!vm.qmp) return { at: this.#now() }
    try {
      const drives = await pollBlockStats(vm.qmp, QMP_DEADLINE_MS)
      return { drives, at: this.#now() }
    } catch (error) {
      this.#options.onError('qmp', error)
      return { at: this.#now() }
    }
  }

  /** By tier, the device-seconds that the vm's operations since the last tick cost; only where these tell. */
  #demandOf(vm: Vm, stats: readonly DriveStats[], state: VmState): Map<string, number> {
    const costs = new Map<string, number>()
    const tiers = new Map(this.#options.tiers().map((tier) => [tier.name, tier]))
    for (const { id, ...stat } of stats) {
      const now = {
        read: stat.read.operations,
        write: stat.write.operations,
        flush: stat.flush.operations,
      }
      const before = state.operations.get(id) ?? now
      state.operations.set(id, now)
      const drive = vm.drives.find((drive) => drive.id === id)
      const tier = drive && tiers.get(drive.tier)
      if (!tier || basisOf(vm, tier) !== 'operations') continue
      const each = operationCosts(tier)!
      const cost =
        (now.read - before.read) * each.read +
        (now.write - before.write) * each.write +
        (now.flush - before.flush) * each.flush
      costs.set(tier.name, (costs.get(tier.name) ?? 0) + cost)
    }
    return costs
  }

  #sampleCgroup(vm: Vm, state: VmState): Promise<void> {
    const { hierarchy } = this.#options
    const { cgroup } = vm
    if (!hierarchy || cgroup === undefined) return Promise.resolve()
    return state.readings.run(() => this.#readCgroup(hierarchy, cgroup, vm, state))
  }

  async #readCgroup(hierarchy: IoHierarchy, cgroup: string, vm: Vm, state: VmState): Promise<void> {
    try {
      const rows = new Map<string, IoCounts>()
      for (const now of await readCgroupIo(hierarchy, cgroup)) {
        // What a vm did before this kvmio took it over was never held against a device's counters.
        const fresh = since(state.devices.get(now.device) ?? (vm.adopted ? now : NO_IO), now)
        state.devices.set(now.device, now)
        rows.set(now.device, fresh)
        this.#attributed.set(now.device, plus(this.#attributed.get(now.device) ?? NO_IO, fresh))
      }
      this.#deviceDemand.count(vm.name, rows)
    } catch (error) {
      this.#options.onError('cgroup', error)
    }
  }

  async #sampleCpu(): Promise<Pick<Second, 'stolen' | 'busy'>> {
    try {
      return await this.#cpu.sample()
    } catch (error) {
      this.#options.onError('cpu', error)
      return {}
    }
  }

  /**
   * Before the cgroups: what a device has ended by then was begun before these are read, and so is a vm's there too. The
   * other way round, what came in between would look like nobody's: 6 of 15,000 reads in six seconds with two vms, and
   * far more when one does not answer.
   */
  async #readDevicesFirst(): Promise<DevicesReading | undefined> {
    try {
      const stats = await this.readDevices()
      return { stats, at: this.#now() }
    } catch (error) {
      this.#options.onError('diskstats', error)
      return undefined
    }
  }

  #deviceDemandOf({ stats, at }: DevicesReading, vms: readonly Vm[]): DemandSample[] {
    const { hierarchy, tiers } = this.#options
    return this.#deviceDemand.settle(stats, at, vms, tiers(), hierarchy)
  }
}

function groupTotal(devices: ReadonlyMap<string, IoCounts>): Total {
  const counts = [...devices.values()]
  return { transactions: sum(counts.map((io) => io.readsCompleted + io.writesCompleted)) }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
