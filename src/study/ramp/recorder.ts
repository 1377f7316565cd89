import type { Demand } from '../../density/records.ts'
import type { DriveCounts, SecondRates } from '../context.ts'
import type { DeviceCounts } from '../device-counts.ts'
import { mean } from '../load-window.ts'
import { demandOf } from './demand.ts'
import { type LatencyCounts, type VmFigures, type VmSecond, vmFigures } from './verdict.ts'

/** A vm of a step, and which of its drives are on the tier. */
export interface RecordedVm {
  name: string
  /** Ids of qemu devices. */
  drives: readonly string[]
}

/** What the device under the tier did in a step. */
export interface DeviceFigures {
  device: string
  transactionsPerSecond: number
  /** The mean of its requests, seconds; absent where none ended. */
  latency?: number
  /** Requests under way, on average. */
  queue: number
}

/** What vms asked of the tier. */
export interface OperationSums {
  reads: number
  writes: number
  flushes: number
}

/** What a step measured while it was held. */
export interface HoldFigures {
  /** How long it was, seconds. */
  seconds: number
  vms: VmFigures[]
  /** Of all vms. */
  operations: OperationSums
  /** Of one vm. */
  demand?: Demand
  /** Shares of the processors' time. */
  cpu?: { busy: number; stolen?: number }
}

interface VmState {
  before?: { counts: Counts; latencies?: LatencyCounts; at: number }
  /** Of what ended since the first reading. */
  latencies?: LatencyCounts
  seconds: VmSecond[]
}

interface Counts extends OperationSums {
  operations: number
  time: number
}

/** Keeps what the vms of a step do, second by second, until it is asked for the figures. */
export class StepRecorder {
  readonly #tier: string
  readonly #vms: readonly RecordedVm[]
  readonly #states: Map<string, VmState>
  readonly #demand: Map<string, number>[] = []
  readonly #busy: number[] = []
  readonly #stolen: number[] = []
  readonly #operations: OperationSums = { reads: 0, writes: 0, flushes: 0 }
  #length = 0

  constructor(tier: string, vms: readonly RecordedVm[]) {
    this.#tier = tier
    this.#vms = vms
    this.#states = new Map(vms.map(({ name }) => [name, { seconds: [] }]))
  }

  take({ seconds = 1, drives, demand = [], busy, stolen }: SecondRates): void {
    this.#length += seconds
    if (busy !== undefined) this.#busy.push(busy)
    if (stolen !== undefined) this.#stolen.push(stolen)
    for (const vm of this.#vms) this.#takeVm(vm, drives?.get(vm.name))
    const asked = demand.filter(({ tier }) => tier === this.#tier)
    this.#demand.push(new Map(asked.map(({ vm, seconds }) => [vm, seconds])))
  }

  /** The requests of all vms that were under way, on average over the last so many seconds. */
  queue(seconds: number): number {
    const queues = [...this.#states.values()].map(({ seconds: all }) => {
      const last = all.slice(-seconds)
      const length = last.reduce((sum, second) => sum + second.length, 0)
      return length === 0 ? 0 : last.reduce((sum, { time }) => sum + time, 0) / length
    })
    return queues.reduce((sum, queue) => sum + queue, 0)
  }

  figures(rule: { window: number; target: number }): HoldFigures {
    const vms = this.#vms.map(({ name }) => {
      const { seconds, latencies } = this.#states.get(name)!
      return vmFigures(name, seconds, rule, latencies)
    })
    const demand = demandOf(this.#demandSeries())
    const busy = this.#busy.length === 0 ? undefined : mean(this.#busy)
    const stolen = this.#stolen.length === 0 ? undefined : mean(this.#stolen)
    return {
      seconds: this.#length,
      vms,
      operations: this.#operations,
      ...(demand && { demand }),
      ...(busy !== undefined && { cpu: { busy, ...(stolen !== undefined && { stolen }) } }),
    }
  }

  #takeVm({ name, drives: ids }: RecordedVm, drives: readonly DriveCounts[] | undefined): void {
    if (!drives) return
    const state = this.#states.get(name)!
    const own = drives.filter(({ id }) => ids.includes(id))
    const counts = countsOf(own)
    const { before } = state
    const latencies = histogramOf(own)
    state.before = { counts, at: this.#length, ...(latencies && { latencies }) }
    // A vm that was started again counts from nothing.
    if (!before || counts.operations < before.counts.operations) return
    if (latencies && before.latencies) {
      const fresh = added(latencies, before.latencies, -1)
      state.latencies = state.latencies ? added(state.latencies, fresh, 1) : fresh
    }
    for (const kind of ['reads', 'writes', 'flushes'] as const)
      this.#operations[kind] += counts[kind] - before.counts[kind]
    state.seconds.push({
      length: this.#length - before.at,
      operations: counts.operations - before.counts.operations,
      time: Math.max(0, counts.time - before.counts.time),
    })
  }

  /** Of the seconds in which all vms' demands are known. */
  #demandSeries(): number[][] {
    const whole = this.#demand.filter((second) => this.#vms.every(({ name }) => second.has(name)))
    return this.#vms.map(({ name }) => whole.map((second) => second.get(name)!))
  }
}

/** What a device did between two readings of its counters; undefined where they are not known. */
export function deviceFigures(
  device: string | undefined,
  before: readonly DeviceCounts[],
  after: readonly DeviceCounts[],
  seconds: number,
): DeviceFigures | undefined {
  const [from, to] = [before, after].map((all) => all.find((each) => each.device === device))
  if (!from || !to || seconds <= 0) return undefined
  const done = (counts: DeviceCounts) => counts.reads + counts.writes + (counts.discards ?? 0)
  const transactions = done(to) - done(from)
  const took = (to.operationSeconds ?? 0) - (from.operationSeconds ?? 0)
  const queued = (to.queueSeconds ?? 0) - (from.queueSeconds ?? 0)
  return {
    device: to.device,
    transactionsPerSecond: transactions / seconds,
    ...(transactions > 0 && { latency: took / transactions }),
    queue: queued / seconds,
  }
}

/** A flush is part of what was written before it. */
function countsOf(drives: readonly DriveCounts[]): Counts {
  const sum = (kind: 'read' | 'write' | 'flush', key: 'operations' | 'nanoseconds') =>
    drives.reduce((total, drive) => total + drive[kind][key], 0)
  const [reads, writes] = [sum('read', 'operations'), sum('write', 'operations')]
  const nanoseconds =
    sum('read', 'nanoseconds') + sum('write', 'nanoseconds') + sum('flush', 'nanoseconds')
  return {
    reads,
    writes,
    flushes: sum('flush', 'operations'),
    operations: reads + writes,
    time: nanoseconds / 1e9,
  }
}

/** Of reads and writes; undefined where qemu keeps none. */
function histogramOf(drives: readonly DriveCounts[]): LatencyCounts | undefined {
  const kept = drives.flatMap(({ read, write }) =>
    [read.histogram ?? [], write.histogram ?? []].flat(),
  )
  const [first, ...rest] = kept
  return first && rest.reduce((sum, histogram) => added(sum, histogram, 1), first)
}

function added(one: LatencyCounts, other: LatencyCounts, sign: 1 | -1): LatencyCounts {
  const bins = one.bins.map((count, bin) => count + sign * (other.bins[bin] ?? 0))
  return { boundaries: one.boundaries, bins }
}
