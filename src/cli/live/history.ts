import type { GuestDisk, Vm } from '../../attribution/records.ts'
import type { Second, Total, Totals } from '../../sampler/second.ts'
import { parseDiskFields } from '../../source/diskstats.ts'
import type { Flow, History } from '../../web/live/state.ts'

const KEPT_SECONDS = 60
// Latencies of single seconds jump about, and a guest tells of itself only each second or so.
const MEAN_SECONDS = 10

interface Reading extends Total {
  /** Seconds since the first. */
  at: number
}

/** What went by at one place in the last minute. */
class Track {
  readonly #rates: History = []
  #readings: Reading[] = []
  #wasRead = false

  /** Until it is read, what began with its vm has counted nothing. */
  assumeNone(at: number): void {
    if (!this.#wasRead) this.#keep({ transactions: 0, seconds: 0, at })
  }

  /** Undefined for a second in which it was not read. */
  take(total: Total | undefined, at: number, rate: number | undefined): void {
    this.#rates.push(rate ?? null)
    if (this.#rates.length > KEPT_SECONDS) this.#rates.shift()
    if (!total) return
    this.#wasRead = true
    const last = this.#readings.at(-1)
    if (last && total.transactions < last.transactions) this.#readings = [] // it has begun again
    this.#keep({ ...total, at })
  }

  #keep(reading: Reading): void {
    this.#readings.push(reading)
    while (reading.at - (this.#readings[1]?.at ?? reading.at) >= MEAN_SECONDS)
      this.#readings.shift()
  }

  get history(): History {
    return [...this.#rates]
  }

  /** The last one; undefined where none was read. */
  get total(): number | undefined {
    return this.#wasRead ? this.#readings.at(-1)?.transactions : undefined
  }

  get flow(): Flow {
    const [first, last] = [this.#readings[0], this.#readings.at(-1)]
    const now = this.#rates.at(-1) ?? undefined
    if (!this.#wasRead || !first || !last || last.at <= first.at) return given({ now })
    const transactions = last.transactions - first.transactions
    const seconds = (last.seconds ?? Number.NaN) - (first.seconds ?? Number.NaN)
    return given({
      now,
      mean: transactions / (last.at - first.at),
      latency: transactions > 0 && seconds >= 0 ? seconds / transactions : undefined,
    })
  }
}

interface VmTracks {
  pid: number
  qemu: Track
  group: Track
  guest: Track
}

/** The last minute of every device and every vm, as the sampler's seconds told it. */
export class LiveHistory {
  readonly #devices = new Map<string, Track>()
  readonly #vms = new Map<string, VmTracks>()
  #now = 0

  take({ seconds, devices, vms: rates, totals }: Second, vms: readonly Vm[]): void {
    this.#now += seconds
    const at = this.#now
    this.#takeDevices(devices, totals.devices, at)
    const names = new Set(vms.map(({ name }) => name))
    for (const name of this.#vms.keys()) if (!names.has(name)) this.#vms.delete(name)
    for (const vm of vms) this.#takeVm(vm, rates.get(vm.name), totals, { at, began: at - seconds })
  }

  device(name: string): Pick<Track, 'flow' | 'history'> | undefined {
    return this.#devices.get(name)
  }

  /** Undefined in a vm's first second. */
  vm(name: string): Pick<VmTracks, 'qemu' | 'group' | 'guest'> | undefined {
    return this.#vms.get(name)
  }

  #takeDevices(
    rates: ReadonlyMap<string, number>,
    totals: ReadonlyMap<string, Total>,
    at: number,
  ): void {
    // A second in which /proc/diskstats could not be read has none, and none of them is gone.
    if (totals.size > 0)
      for (const name of this.#devices.keys()) if (!totals.has(name)) this.#devices.delete(name)
    for (const name of totals.keys())
      if (!this.#devices.has(name)) this.#devices.set(name, new Track())
    for (const [name, track] of this.#devices) track.take(totals.get(name), at, rates.get(name))
  }

  #takeVm(
    vm: Vm,
    rate: number | undefined,
    totals: Totals,
    { at, began }: { at: number; began: number },
  ): void {
    let tracks = this.#vms.get(vm.name)
    if (tracks?.pid !== vm.pid) {
      tracks = { pid: vm.pid, qemu: new Track(), group: new Track(), guest: new Track() }
      this.#vms.set(vm.name, tracks)
    }
    const { qemu, group, guest } = tracks
    // A guest tells nothing before it has booted, and its mean should be of the same ten seconds as its qemu's.
    const isNew = vm.manager === 'kvmio' && !vm.adopted
    if (isNew) for (const track of [qemu, group, guest]) track.assumeNone(began)
    qemu.take(totals.vms.get(vm.name), at, rate)
    group.take(totals.cgroups.get(vm.name), at, undefined)
    guest.take(guestTotal(vm.guestDisks()), at, undefined)
  }
}

/** Reads, writes and discards: Linux counts a flush without data as a write. */
function guestTotal(disks: readonly GuestDisk[]): Total | undefined {
  if (disks.length === 0) return undefined
  try {
    const stats = disks.map(({ stat }) => parseDiskFields(stat))
    const sum = (of: (stat: (typeof stats)[number]) => number) =>
      stats.reduce((total, stat) => total + of(stat), 0)
    return {
      transactions: sum((s) => s.readsCompleted + s.writesCompleted + (s.discards?.completed ?? 0)),
      seconds: sum((s) => s.readMs + s.writeMs + (s.discards?.ms ?? 0)) / 1000,
    }
  } catch {
    return undefined // a guest may say anything; the collector of guests tells of it
  }
}

function given(flow: Flow): Flow {
  return Object.fromEntries(Object.entries(flow).filter(([, value]) => value !== undefined))
}
