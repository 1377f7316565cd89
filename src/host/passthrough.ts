import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { KvmioError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { lendingProblem, type PciFunction, readDiskControllers } from '../source/pci.ts'
import type { Probe } from './finding.ts'

/** Whether a guest could have a disk controller of this host's, and which. */
export function passthroughProbe(sysRoot: string, devRoot: string): Probe {
  const remedy =
    'VT-d or AMD-Vi in the firmware, intel_iommu=on or amd_iommu=on for the kernel, and a controller that shares its group with nothing'
  const trial = async () => {
    const controllers = await readDiskControllers(sysRoot)
    if (controllers.length === 0) throw new KvmioError('there is no disk controller on a PCI bus')
    const free = controllers.filter((one) => lendingProblem(one.address, one) === undefined)
    if (free.length === 0) {
      const [first] = controllers
      throw new KvmioError(lendingProblem(first!.address, first) ?? '')
    }
    await findVfio(devRoot)
    return `can be lent to a guest: ${free.map(named).join(', ')}`
  }
  return { group: 'drive', subject: 'passthrough', remedy, trial }
}

/** The driver may be a module that nothing has asked for yet. */
async function findVfio(devRoot: string): Promise<void> {
  const there = access(join(devRoot, 'vfio/vfio'))
  const loadable = () => run('modprobe', ['--dry-run', '--quiet', 'vfio-pci'])
  await there.catch(loadable).catch(() => {
    throw new KvmioError('this kernel has no vfio-pci')
  })
}

function named({ address, driver }: PciFunction): string {
  return driver === undefined ? address : `${address} (${driver})`
}
