import t from 'tap'
import { disksOf, readPciFunction } from '../../src/source/pci.ts'
import { fixture } from './fixtures.ts'
import { FUNCTIONS, pciTree } from './pci-tree.ts'

t.test('a function with its driver and its group, in which bridges do not count', async (t) => {
  t.strictSame(await readPciFunction(pciTree(t, FUNCTIONS), '0000:01:00.0'), {
    address: '0000:01:00.0',
    class: '0x010802',
    driver: 'nvme',
    iommuGroup: { id: '4', members: ['0000:01:00.0'] },
  })
})

t.test('what is not there is absent', async (t) => {
  const sys = pciTree(t, FUNCTIONS)
  t.strictSame(await readPciFunction(sys, '0000:00:05.0'), {
    address: '0000:00:05.0',
    class: '0x010802',
    driverOverride: 'vfio-pci',
    iommuGroup: { id: '9', members: ['0000:00:05.0'] },
  })
  const ungrouped = await readPciFunction(sys, '0000:00:06.0')
  t.equal(ungrouped?.iommuGroup, undefined)
  const shared = await readPciFunction(sys, '0000:00:1f.2')
  t.strictSame(shared?.iommuGroup, { id: '7', members: ['0000:00:1f.2', '0000:00:1f.3'] })
  t.equal(await readPciFunction(sys, '0000:02:00.0'), undefined)
  t.equal(await readPciFunction(fixture('pvm-debian12/sys'), '0000:01:00.0'), undefined)
})

t.test('the disks of a function', async (t) => {
  const sys = pciTree(t, FUNCTIONS)
  t.strictSame(await disksOf(sys, '0000:01:00.0'), ['nvme0n1'])
  t.strictSame(await disksOf(sys, '0000:00:04.0'), ['nvme0n1'], 'behind a bridge too')
  t.strictSame(await disksOf(sys, '0000:00:1f.2'), ['sda'])
  t.strictSame(await disksOf(sys, '0000:00:06.0'), ['nvme1n1'], 'the head of a hidden path')
  t.strictSame(await disksOf(sys, '0000:00:07.0'), [])
  t.strictSame(await disksOf(fixture('constructed-4.19/sys'), '0000:01:00.0'), [])
})
