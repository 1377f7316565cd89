import { join, relative } from 'node:path'
import type { Test } from 'tap'

/** One function of a constructed /sys. */
export interface FakeFunction {
  /** From the root of the PCI bus: a bridge, then what is behind it. */
  path: string
  class: string
  driver?: string
  group?: string
  override?: string
  /** Where its disk stands below it. */
  disk?: string
}

/** A /sys as the kernel lays it out: one tree of devices, and links to it from everywhere. */
export function pciTree(t: Test, functions: readonly FakeFunction[]): string {
  const tree: Tree = { bus: { pci: { devices: {}, drivers: {}, drivers_probe: '' } }, block: {} }
  const put = (path: string, value: Tree | string | Link) => {
    const names = path.split('/')
    const last = names.pop()!
    let folder = tree
    for (const name of names) {
      folder[name] ??= {}
      folder = folder[name] as Tree
    }
    folder[last] = value
  }
  const link = (path: string, target: string) =>
    put(path, t.fixture('symlink', relative(join('/', path, '..'), join('/', target))))
  for (const { path, driver, group, override = '(null)', disk, ...rest } of functions) {
    const device = `devices/pci0000:00/${path}`
    const address = path.split('/').at(-1)!
    put(`${device}/class`, `${rest.class}\n`)
    put(`${device}/driver_override`, `${override}\n`)
    link(`bus/pci/devices/${address}`, device)
    if (driver !== undefined) {
      put(`bus/pci/drivers/${driver}/bind`, '')
      link(`${device}/driver`, `bus/pci/drivers/${driver}`)
    }
    if (group !== undefined) {
      link(`${device}/iommu_group`, `kernel/iommu_groups/${group}`)
      link(`kernel/iommu_groups/${group}/devices/${address}`, device)
    }
    if (disk === undefined) continue
    put(`${device}/${disk}/dev`, '259:0\n')
    link(`block/${disk.split('/').at(-1)}`, `${device}/${disk}`)
  }
  return t.testdir(tree as FixtureDir)
}

type FixtureDir = NonNullable<Parameters<Test['testdir']>[0]>
type Link = ReturnType<Test['fixture']>
interface Tree {
  [name: string]: Tree | string | Link
}

/** The lab host's functions, and some that it does not have. */
export const FUNCTIONS: readonly FakeFunction[] = [
  { path: '0000:00:04.0', class: '0x060400', driver: 'pcieport', group: '4' },
  {
    path: '0000:00:04.0/0000:01:00.0',
    class: '0x010802',
    driver: 'nvme',
    group: '4',
    disk: 'nvme/nvme0/nvme0n1',
  },
  {
    path: '0000:00:1f.2',
    class: '0x010601',
    driver: 'ahci',
    group: '7',
    disk: 'ata1/host0/target0:0:0/0:0:0:0/block/sda',
  },
  { path: '0000:00:1f.3', class: '0x0c0500', driver: 'i801_smbus', group: '7' },
  { path: '0000:00:05.0', class: '0x010802', group: '9', override: 'vfio-pci' },
  { path: '0000:00:06.0', class: '0x010802', driver: 'nvme', disk: 'nvme/nvme1/nvme1c1n1' },
  { path: '0000:00:07.0', class: '0x020000', driver: 'e1000e', group: '10' },
]
