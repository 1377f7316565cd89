// Reads /sys/bus/pci: https://docs.kernel.org/PCI/sysfs-pci.html, and the groups of the IOMMU:
// https://docs.kernel.org/driver-api/vfio.html
import { readdir, readFile, readlink, realpath } from 'node:fs/promises'
import { basename, join, sep } from 'node:path'
import { codeOf } from '../lib/errors.ts'

/** One function of a PCI device. */
export interface PciFunction {
  /** 0000:01:00.0 */
  address: string
  /** Base class, subclass and interface, as sysfs has them: 0x010802 is NVMe. */
  class: string
  /** The driver that has it now. */
  driver?: string
  /** Which driver alone may take it, when that was laid down. */
  driverOverride?: string
  /** Absent where no IOMMU is on. */
  iommuGroup?: IommuGroup
}

/** What the IOMMU cannot keep apart. */
export interface IommuGroup {
  id: string
  /** Addresses of its functions, without the bridges: vfio lets those be. */
  members: string[]
}

const BRIDGE = '0x0604'
const STORAGE = '0x01'

/** Undefined when the host has no such function. */
export async function readPciFunction(
  sysRoot: string,
  address: string,
): Promise<PciFunction | undefined> {
  const directory = join(sysRoot, 'bus/pci/devices', address)
  const [type, driver, override, group] = await Promise.all([
    attribute(directory, 'class'),
    link(directory, 'driver'),
    attribute(directory, 'driver_override'),
    link(directory, 'iommu_group'),
  ])
  if (type === undefined) return undefined
  return {
    address,
    class: type,
    ...(driver === undefined ? {} : { driver }),
    // What the kernel prints of a null pointer.
    ...(override === undefined || override === '(null)' ? {} : { driverOverride: override }),
    ...(group === undefined ? {} : { iommuGroup: await readGroup(sysRoot, group) }),
  }
}

/** All disk controllers of the host. */
export async function readDiskControllers(sysRoot: string): Promise<PciFunction[]> {
  const addresses = await list(join(sysRoot, 'bus/pci/devices'))
  const found = await Promise.all(addresses.map((address) => readPciFunction(sysRoot, address)))
  return found.filter((one) => one !== undefined).filter((one) => one.class.startsWith(STORAGE))
}

/** Why a function cannot be lent to a guest, as far as the bus tells. */
export function lendingProblem(
  address: string,
  found: PciFunction | undefined,
): string | undefined {
  if (!found) return `this host has no PCI function ${address}`
  const { iommuGroup: group } = found
  if (!found.class.startsWith(STORAGE)) {
    return `${address} is no disk controller: expected a PCI class that begins with ${STORAGE}, got ${found.class}`
  }
  if (!group) {
    return `${address} has no IOMMU group, so that a guest could write anywhere in this host's memory with it: switch VT-d or AMD-Vi on in the firmware and boot with intel_iommu=on or amd_iommu=on`
  }
  const others = group.members.filter((member) => member !== address)
  if (others.length > 0) {
    return `${address} cannot be kept apart from ${others.join(', ')}: they share IOMMU group ${group.id}, and would have to be passed through together`
  }
  return undefined
}

/** The names of the whole disks that hang on a function, as in /proc/diskstats. */
export async function disksOf(sysRoot: string, address: string): Promise<string[]> {
  const root = join(sysRoot, 'block')
  const found = await Promise.all(
    (await list(root)).map(async (entry) => {
      const path = await realpath(join(root, entry)).catch(() => '')
      // A disk with several paths has one of these for each, hidden, and a head that stands elsewhere: nvme0c1n1, nvme0n1.
      const name = entry.replace(/^(nvme\d+)c\d+(n\d+)$/, '$1$2').replaceAll('!', '/')
      return path.split(sep).includes(address) ? [name] : []
    }),
  )
  return [...new Set(found.flat())].sort()
}

async function readGroup(sysRoot: string, id: string): Promise<IommuGroup> {
  const addresses = await list(join(sysRoot, 'kernel/iommu_groups', id, 'devices'))
  const classes = await Promise.all(
    addresses.map((address) => attribute(join(sysRoot, 'bus/pci/devices', address), 'class')),
  )
  return { id, members: addresses.filter((_, index) => !classes[index]?.startsWith(BRIDGE)) }
}

async function attribute(directory: string, name: string): Promise<string | undefined> {
  try {
    return (await readFile(join(directory, name), 'utf8')).trim()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

async function link(directory: string, name: string): Promise<string | undefined> {
  try {
    return basename(await readlink(join(directory, name)))
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

async function list(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}
