// Native multipath of nvme: a namespace that several controllers have is one disk, with a hidden disk for each of them.
import type { Diskstat } from './diskstats.ts'

// nvme1c0n1 is the path to nvme1n1 by controller 0 (drivers/nvme/host/core.c: nvme_alloc_ns).
const PATH = /^(nvme\d+)c\d+(n\d+)$/

/** The namespace that a path leads to; undefined of any other name. */
export function namespaceOf(path: string): string | undefined {
  const [, subsystem, namespace] = PATH.exec(path) ?? []
  return subsystem === undefined ? undefined : `${subsystem}${namespace}`
}

/**
 * The statistics without lines of zeros that do not mean rest: before kernel 6.2 (nvme_mpath_start_request) such a
 * namespace and its partitions count nothing, and its paths alone count.
 */
export function onlyCounted(stats: Diskstat[]): Diskstat[] {
  const busy = new Set(stats.filter(hasCounted).flatMap(({ device }) => namespaceOf(device) ?? []))
  if (busy.size === 0) return stats
  const uncounted = stats.flatMap((stat) => {
    return busy.has(stat.device) && !hasCounted(stat) ? [stat.device] : []
  })
  const isPart = (name: string, disk: string) => /^p\d+$/.test(name.slice(disk.length))
  return stats.filter(({ device }) => {
    return !uncounted.some(
      (disk) => device === disk || (device.startsWith(disk) && isPart(device, disk)),
    )
  })
}

function hasCounted({ readsCompleted, writesCompleted }: Diskstat): boolean {
  return readsCompleted + writesCompleted > 0
}
