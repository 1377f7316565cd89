import { createHash } from 'node:crypto'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { readDeviceFamily } from '../source/block-device.ts'
import {
  armCgroup,
  createCgroup,
  findIoHierarchy,
  type IoHierarchy,
  ioHierarchyAt,
} from '../source/cgroup.ts'
import { readDiskstats } from '../source/diskstats.ts'
import type { ServeOptions } from './options.ts'

/** The I/O cgroups of this host. Without, a device's transactions are not told apart by vm. */
export interface Cgroups {
  hierarchy?: IoHierarchy
  /** That of the state directory, for the vms; absent where kvmio may not make one, and only read those of others. */
  own?: string
}

export async function openCgroups(
  { procRoot, cgroupRoot }: ServeOptions,
  stateDir: string,
  log: Log,
): Promise<Cgroups> {
  let hierarchy: IoHierarchy | undefined
  try {
    hierarchy = await (cgroupRoot === undefined
      ? findIoHierarchy(procRoot)
      : ioHierarchyAt(cgroupRoot))
    if (!hierarchy) {
      log.warn('no I/O cgroups on this host: what a vm does on a device is not known')
      return {}
    }
    const own = cgroupOf(stateDir)
    await createCgroup(hierarchy, own)
    return { hierarchy, own }
  } catch (error) {
    log.warn(`no I/O cgroups for the vms: ${messageOf(error)}`)
    return hierarchy ? { hierarchy } : {}
  }
}

/** The cgroup of a state directory: two kvmio on one host do not meet. */
export function cgroupOf(stateDir: string): string {
  return `kvmio-${createHash('sha256').update(stateDir).digest('hex').slice(0, 8)}`
}

/** Has the cgroups of v1 count on the disk that a device is, or is a partition of. */
export async function armDevice(
  { hierarchy, own }: Cgroups,
  { procRoot, sysRoot }: Pick<ServeOptions, 'procRoot' | 'sysRoot'>,
  device: string,
): Promise<void> {
  if (!hierarchy || own === undefined || hierarchy.version === 2) return
  const stats = await readDiskstats(procRoot)
  const stat = stats.find((stat) => stat.device === device)
  if (!stat) return
  const family = await readDeviceFamily(sysRoot, `${stat.major}:${stat.minor}`)
  await armCgroup(hierarchy, own, (family.disk ?? family.device).number)
}
