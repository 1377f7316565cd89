import { access, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { giveBackFunction, giveBackOrphans, takeFunction } from '../../src/storage/passthrough.ts'
import { FUNCTIONS, pciTree } from '../source/pci-tree.ts'

// Binding and giving back are the kernel's work, and shown in the lab suite with a real one.

const contextOf = (t: Test, functions = FUNCTIONS) => {
  const sysRoot = pciTree(t, functions)
  return { stateDir: join(sysRoot, 'state'), procRoot: '/proc', sysRoot }
}

const REFUSED: [name: string, pci: string, overwrite: string | undefined, message: string][] = [
  [
    'not there',
    '0000:02:00.0',
    undefined,
    'drive data: this host has no PCI function 0000:02:00.0',
  ],
  [
    'a network card',
    '0000:00:07.0',
    undefined,
    'drive data: 0000:00:07.0 is no disk controller: expected a PCI class that begins with 0x01, got 0x020000',
  ],
  [
    'no IOMMU',
    '0000:00:06.0',
    undefined,
    "drive data: 0000:00:06.0 has no IOMMU group, so that a guest could write anywhere in this host's memory with it: switch VT-d or AMD-Vi on in the firmware and boot with intel_iommu=on or amd_iommu=on",
  ],
  [
    'a group of several, even with words for its disk',
    '0000:00:1f.2',
    'yes-destroy-0000:00:1f.2',
    'drive data: 0000:00:1f.2 cannot be kept apart from 0000:00:1f.3: they share IOMMU group 7, and would have to be passed through together',
  ],
  [
    'a disk that nobody can look at',
    '0000:00:05.0',
    undefined,
    'drive data: what is on the disk of 0000:00:05.0 cannot be seen, for it has no driver; to have it lost, say passthrough: { pci: 0000:00:05.0, overwrite: yes-destroy-0000:00:05.0 }',
  ],
  [
    'the same, with words for another one',
    '0000:00:05.0',
    'yes-destroy-0000:01:00.0',
    'drive data: what is on the disk of 0000:00:05.0 cannot be seen, for it has no driver; to have it lost, say passthrough: { pci: 0000:00:05.0, overwrite: yes-destroy-0000:00:05.0 }',
  ],
]

t.test('a function that cannot be lent is left alone', async (t) => {
  for (const [name, pci, overwrite, message] of REFUSED) {
    t.test(name, async (t) => {
      const context = contextOf(t)
      await t.rejects(takeFunction({ name: 'data', pci, overwrite }, 'vm-1', context), { message })
      t.strictSame(await giveBackOrphans(context, new Set()), [], 'and there is nothing to undo')
    })
  }
})

t.test('giving back', async (t) => {
  const context = contextOf(t)
  const folder = join(context.stateDir, 'passthrough')
  const record = async (pci: string, text: string) => {
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, `${pci}.json`), text)
  }
  const override = (pci: string) =>
    readFile(join(context.sysRoot, 'bus/pci/devices', pci, 'driver_override'), 'utf8')

  await giveBackFunction('0000:00:05.0', context)
  t.equal(await override('0000:00:05.0'), 'vfio-pci\n', 'what was never taken stays as it is')

  // Killed between the record and the first change: the driver still has it.
  await record('0000:01:00.0', '{"vm":"a-1","driver":"nvme"}')
  await record('0000:00:05.0', '{"vm":"a-2"}')
  await record('0000:02:00.0', '{"vm":"a-3","driver":"nvme"}')
  t.strictSame(await giveBackOrphans(context, new Set(['a-1'])), [
    'gave 0000:00:05.0 back to no driver, as before',
    'gave 0000:02:00.0 back to nvme',
  ])
  t.equal((await override('0000:00:05.0')).split('\n')[0], '', 'the override is gone')
  t.strictSame(await giveBackOrphans(context, new Set()), ['gave 0000:01:00.0 back to nvme'])
  await t.rejects(access(join(folder, '0000:01:00.0.json')))

  await record('0000:01:00.0', 'nvme')
  const file = join(folder, '0000:01:00.0.json')
  await t.rejects(giveBackFunction('0000:01:00.0', context), {
    message: new RegExp(`^${file}: expected a record of kvmio's: `),
  })
})
