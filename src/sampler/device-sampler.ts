import { Serial } from '../lib/serial.ts'
import { type Diskstat, readDiskstats, SECTOR_BYTES } from '../source/diskstats.ts'
import { accumulateDiskstat, type DiskTotal } from '../source/diskstats-accumulator.ts'
import { onlyCounted } from '../source/nvme-path.ts'
import { type IoCounts, NO_IO, pending, plus, remainder, since } from './io-counts.ts'
import { RateHistogram } from './rate-histogram.ts'
import { type Draft, type Reading, rateBetween, type Total } from './second.ts'

interface DeviceState {
  counts?: IoCounts
  before?: Reading
  rates: RateHistogram
  unattributed?: IoCounts
  /** What vms are counted for and the device has yet to end: a cgroup counts at the start, a device at the end. */
  early: IoCounts
}

/** The devices of /proc/diskstats: their transactions of each second, and what of them no vm accounts for. */
export class DeviceSampler {
  readonly #procRoot: string
  readonly #totals = new Map<string, DiskTotal>()
  readonly #devices = new Map<string, DeviceState>()
  readonly #readings = new Serial()

  constructor(procRoot: string) {
    this.#procRoot = procRoot
  }

  /** /proc/diskstats as it is now, with counters that never fall. */
  read(): Promise<Diskstat[]> {
    // An older reading that comes after a newer one would look like a reset, and count everything twice.
    return this.#readings.run(() => this.#read())
  }

  get rates(): ReadonlyMap<string, RateHistogram> {
    return new Map([...this.#devices].map(([name, { rates }]) => [name, rates]))
  }

  /** By device, for those that at least one vm's cgroup has named. */
  get unattributed(): ReadonlyMap<string, IoCounts> {
    return new Map(
      [...this.#devices].flatMap(([name, { unattributed }]) =>
        unattributed ? [[name, unattributed]] : [],
      ),
    )
  }

  /** Takes one second of all devices, read at `at`; `attributed` is what vms did in it, by MAJ:MIN. */
  sample(
    stats: readonly Diskstat[],
    at: number,
    attributed: ReadonlyMap<string, IoCounts>,
    { devices, totals }: Draft,
  ): void {
    const present = new Set(stats.map(({ device }) => device))
    for (const device of this.#devices.keys())
      if (!present.has(device)) this.#devices.delete(device)
    for (const stat of stats) {
      const total = totalOf(stat)
      totals.devices.set(stat.device, total)
      const byVms = attributed.get(`${stat.major}:${stat.minor}`)
      const rate = this.#sampleDevice(stat, { ...total, at }, byVms)
      if (rate !== undefined) devices.set(stat.device, rate)
    }
  }

  async #read(): Promise<Diskstat[]> {
    const stats = onlyCounted(await readDiskstats(this.#procRoot))
    const present = new Set(stats.map(({ device }) => device))
    for (const device of this.#totals.keys()) if (!present.has(device)) this.#totals.delete(device)
    return stats.map((stat) => {
      const next = accumulateDiskstat(this.#totals.get(stat.device), stat)
      this.#totals.set(stat.device, next)
      return next.total
    })
  }

  #sampleDevice(
    stat: Diskstat,
    now: Reading,
    attributed: IoCounts | undefined,
  ): number | undefined {
    const state = this.#devices.get(stat.device) ?? {
      rates: new RateHistogram(),
      early: NO_IO,
    }
    this.#devices.set(stat.device, state)
    const counts = countsOf(stat)
    if (attributed || state.unattributed) {
      const fresh = since(state.counts ?? counts, counts)
      const byVms = plus(attributed ?? NO_IO, state.early)
      state.unattributed = plus(state.unattributed ?? NO_IO, remainder(fresh, byVms))
      // Before its first reading a device had ended an unknown part of what vms had begun.
      const begun = (state.counts && attributed) ?? NO_IO
      state.early = pending(remainder(byVms, fresh), begun, stat.ioNow)
    }
    state.counts = counts
    const rate = rateBetween(state.before, now)
    state.before = now
    if (rate !== undefined) state.rates.observe(rate)
    return rate
  }
}

function totalOf({ readsCompleted, writesCompleted, discards, readMs, writeMs }: Diskstat): Total {
  return {
    transactions: readsCompleted + writesCompleted + (discards?.completed ?? 0),
    seconds: (readMs + writeMs + (discards?.ms ?? 0)) / 1000,
  }
}

function countsOf(stat: Diskstat): IoCounts {
  return {
    readsCompleted: stat.readsCompleted,
    readBytes: stat.readSectors * SECTOR_BYTES,
    writesCompleted: stat.writesCompleted,
    writtenBytes: stat.writtenSectors * SECTOR_BYTES,
  }
}
