import type { Tier, Vm } from '../attribution/records.ts'
import type { IoHierarchy } from '../source/cgroup.ts'
import type { Diskstat } from '../source/diskstats.ts'
import { basisOf, type DemandSample } from './demand.ts'
import type { IoCounts } from './io-counts.ts'

/** By MAJ:MIN, operations. */
type Operations = Map<string, number>

interface DeviceReading {
  operations: number
  busyMs: number
  at: number
}

/**
 * Shares the time that a device was busy among the vms whose cgroups name it. Its time is its own word, and so right
 * whatever an operation costs; that a large request and a small one weigh the same is what the share cannot know.
 */
export class DeviceDemand {
  readonly #before = new Map<string, DeviceReading>()
  #fresh = new Map<string, Operations>()
  #wereRead: ReadonlySet<string> = new Set()

  /** What a vm's cgroup has counted since its reading before; of one that was not read there is no sample. */
  count(vm: string, rows: ReadonlyMap<string, IoCounts>): void {
    const operations = this.#fresh.get(vm) ?? new Map<string, number>()
    this.#fresh.set(vm, operations)
    for (const [device, { readsCompleted, writesCompleted }] of rows) {
      const count = readsCompleted + writesCompleted
      operations.set(device, (operations.get(device) ?? 0) + count)
    }
  }

  /** The samples of the second that ends with this reading of the devices. */
  settle(
    stats: readonly Diskstat[],
    at: number,
    vms: readonly Vm[],
    tiers: readonly Tier[],
    hierarchy: IoHierarchy | undefined,
  ): DemandSample[] {
    const fresh = this.#fresh
    const wereRead = this.#wereRead
    this.#fresh = new Map()
    this.#wereRead = new Set(fresh.keys())
    const seconds = this.#secondsOf(stats, at)
    const all = sumOf([...fresh.values()])
    return vms.flatMap((vm) => {
      const own = fresh.get(vm.name)
      if (!own || !wereRead.has(vm.name)) return []
      return tiersOf(vm, tiers, hierarchy).flatMap((tier): DemandSample[] => {
        const busy = seconds.get(tier.device!)
        const disk = busy && diskOf(tier.device!, stats)
        if (!busy || !disk) return []
        // The cgroup counts requests before they are merged, the device afterwards.
        const operations = Math.max(busy.operations, all.get(disk) ?? 0)
        const share = operations === 0 ? 0 : (own.get(disk) ?? 0) / operations
        const sample = { vm: vm.name, tier: tier.name, seconds: share * busy.ratio }
        return [{ ...sample, basis: 'device' }]
      })
    })
  }

  /** By device, what it did and how much of the time it was busy, since the reading before. */
  #secondsOf(stats: readonly Diskstat[], at: number) {
    const seconds = new Map<string, { operations: number; ratio: number }>()
    const present = new Set(stats.map(({ device }) => device))
    for (const device of this.#before.keys()) if (!present.has(device)) this.#before.delete(device)
    for (const { device, readsCompleted, writesCompleted, ioMs } of stats) {
      const now = { operations: readsCompleted + writesCompleted, busyMs: ioMs, at }
      const before = this.#before.get(device)
      this.#before.set(device, now)
      if (!before || at <= before.at || now.operations < before.operations) continue
      const ratio = Math.max(0, now.busyMs - before.busyMs) / (at - before.at)
      seconds.set(device, { operations: now.operations - before.operations, ratio })
    }
    return seconds
  }
}

/** Those whose demand of this vm is known by the device alone, and known at all. */
function tiersOf(vm: Vm, tiers: readonly Tier[], hierarchy: IoHierarchy | undefined): Tier[] {
  const isWhole = vm.drives.every(({ direct }) => direct) || hierarchy?.version === 2
  if (!isWhole) return [] // v1 counts host-cached writes for nobody
  return tiers.filter((tier) => {
    const has = vm.drives.some((drive) => drive.tier === tier.name)
    return has && tier.device !== undefined && basisOf(vm, tier) === 'device'
  })
}

/** MAJ:MIN of the disk that a device is, or is a partition of: cgroups count by disk. */
function diskOf(device: string, stats: readonly Diskstat[]): string | undefined {
  const disk = device.replace(/p?\d+$/, '')
  const found =
    stats.find((stat) => stat.device === disk) ?? stats.find((stat) => stat.device === device)
  return found && `${found.major}:${found.minor}`
}

function sumOf(vms: readonly Operations[]): Operations {
  const sums: Operations = new Map()
  for (const [device, count] of vms.flatMap((operations) => [...operations]))
    sums.set(device, count + (sums.get(device) ?? 0))
  return sums
}
