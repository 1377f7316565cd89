import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { tryOut } from '../../src/host/finding.ts'
import { passthroughProbe } from '../../src/host/passthrough.ts'
import { FUNCTIONS, pciTree } from '../source/pci-tree.ts'

const CONTROLLERS = FUNCTIONS.filter(({ path }) => /01:00.0|1f.2|1f.3|05.0/.test(path))
const REMEDY =
  'VT-d or AMD-Vi in the firmware, intel_iommu=on or amd_iommu=on for the kernel, and a controller that shares its group with nothing'

function examine(sysRoot: string, devRoot: string) {
  const { subject, remedy, trial } = passthroughProbe(sysRoot, devRoot)
  return tryOut(subject, remedy, trial)
}

t.test('controllers that are alone in their group can be lent', async (t) => {
  const sys = pciTree(t, CONTROLLERS)
  await mkdir(join(sys, 'dev/vfio'), { recursive: true })
  await writeFile(join(sys, 'dev/vfio/vfio'), '')
  t.strictSame(await examine(sys, join(sys, 'dev')), {
    subject: 'passthrough',
    can: true,
    detail: 'can be lent to a guest: 0000:00:05.0, 0000:01:00.0 (nvme)',
  })
})

t.test('why none can be', async (t) => {
  const about = async (t: Test, paths: RegExp) => {
    const sys = pciTree(
      t,
      FUNCTIONS.filter(({ path }) => paths.test(path)),
    )
    return await examine(sys, join(sys, 'dev'))
  }
  t.test('no controller', async (t) => {
    t.strictSame(await about(t, /07.0/), {
      subject: 'passthrough',
      can: false,
      detail: 'there is no disk controller on a PCI bus',
      remedy: REMEDY,
    })
  })
  t.test('no IOMMU', async (t) => {
    t.match(await about(t, /06.0/), {
      can: false,
      detail: /^0000:00:06.0 has no IOMMU group, so that a guest could write anywhere/,
    })
  })
  t.test('in company', async (t) => {
    t.match(await about(t, /1f/), {
      can: false,
      detail: /^0000:00:1f.2 cannot be kept apart from 0000:00:1f.3: /,
    })
  })
})
