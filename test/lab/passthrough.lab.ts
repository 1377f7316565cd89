// A disk controller of the host's in the hands of a guest: lent by vfio-pci, counted by the guest alone, given back.
import { open, readFile } from 'node:fs/promises'
import t from 'tap'
import { run } from '../../src/lib/process.ts'
import { readPciFunction } from '../../src/source/pci.ts'
import { giveBackOrphans, takeFunction } from '../../src/storage/passthrough.ts'
import { journal, kvmio, nothingLeft, type Page, says, until, writes } from '../e2e/kvmio.ts'
import { labGuest, labHome, pageWhere, SPARE, startStudy } from './inside.ts'

const MIB = 2 ** 20
const WRITTEN = 8 * MIB
const { pci, disk } = SPARE

const guest = (passthrough: object) => ({
  ...labGuest('none'),
  drives: { data: { passthrough } },
})
const CONFIG = {
  guests: { owner: guest({ pci }) },
  studies: {
    lent: { guest: 'owner', pause: '0s', workload: writes('8MiB', '64KiB', '30s') },
    idle: { guest: 'owner', pause: '0s', workload: { idle: { time: '10m' } } },
  },
}

const driverOf = async () => (await readPciFunction('/sys', pci))?.driver
const written = async () => {
  const stat = await readFile(`/sys/block/${disk}/stat`, 'utf8')
  return Number(stat.trim().split(/\s+/)[6]) * 512
}

t.test('a guest writes to a controller of its own', async (t) => {
  t.match(await readPciFunction('/sys', pci), {
    class: '0x010802',
    driver: 'nvme',
    iommuGroup: { members: [pci] },
  })
  t.equal(await written(), 0)
  const home = await labHome(t, CONFIG)
  const started = await startStudy(home, 'lent')
  const vm = 'lent-only-1'
  await says(started, `${vm}: settle at`)
  t.equal(await driverOf(), 'vfio-pci', 'it is lent')
  const labels = { vm, drive: 'data' }
  const bytesOf = (page: Page) => page.value('kvmio_guest_disk_written_bytes_total', labels) ?? 0
  const page = await pageWhere(started, 'lent', (page) => bytesOf(page) >= WRITTEN)
  t.ok(bytesOf(page) < 1.5 * WRITTEN, `the guest says that it wrote ${bytesOf(page)} bytes`)
  t.equal(page.value('kvmio_drive_info', { ...labels, bus: 'passthrough', pci, tier: '' }), 1)
  t.equal(page.value('kvmio_vm_up', { vm }), 1)
  for (const name of ['kvmio_drive_writes_completed_total', 'kvmio_drive_written_bytes_total']) {
    t.strictSame(page.all(name), [], `${name} is absent, not 0`)
  }
  t.strictSame(page.all('kvmio_vm_transactions_per_second_count'), [])
  const { code, stderr } = await started.end()
  t.equal(code, 0, stderr)
  t.match(journal(home)[0], { outcome: 'passed' })
  t.equal(await driverOf(), 'nvme', 'it is given back')
  const { stdout } = await kvmio(home, ['clean']).end()
  t.match(stdout, 'nothing was left behind')
  await until(`${disk} to be there again`, () => readFile(`/sys/block/${disk}/stat`, 'utf8'))
  const block = Buffer.alloc(65536)
  await using file = await open(`/dev/${disk}`)
  await file.read(block, 0, block.length, WRITTEN - block.length)
  t.equal(new Set(block).size, 256, 'what the guest wrote last is on the disk: random bytes')
  await nothingLeft(t, home)
})

t.test('it is given back after kill -9', async (t) => {
  const home = await labHome(t, CONFIG)
  const started = await startStudy(home, 'idle')
  await until('the function to be lent', async () => (await driverOf()) === 'vfio-pci')
  await says(started, 'idle-only-1: idle at')
  started.kill('SIGKILL')
  await started.end()
  t.equal(await driverOf(), 'vfio-pci', 'the guest that goes on keeps it')
  const { stdout, code } = await kvmio(home, ['clean']).end()
  t.equal(code, 0)
  t.match(stdout, `gave ${pci} back to nvme\n`)
  t.equal(await driverOf(), 'nvme')
  await nothingLeft(t, home)
})

t.test('it is refused where it is in use or holds something', async (t) => {
  const context = { stateDir: t.testdir(), procRoot: '/proc', sysRoot: '/sys' }
  const path = `/dev/${disk}`
  await until(path, () =>
    run('test', ['-b', path]).then(
      () => true,
      () => false,
    ),
  )
  const take = (overwrite?: string) => takeFunction({ name: 'data', pci, overwrite }, 'vm', context)
  const refused = (message: string, overwrite?: string) => t.rejects(take(overwrite), { message })
  const words = `yes-destroy-${pci}`
  const remedy = `to have it lost, say passthrough: { pci: ${pci}, overwrite: ${words} }`

  await run('mkfs.ext4', ['-q', '-F', path])
  await refused(`drive data: ${path} on ${pci} holds ext4; ${remedy}`)
  await run('mount', [path, '/mnt'])
  try {
    await refused(`drive data: ${path} is mounted at /mnt`, words)
  } finally {
    await run('umount', ['/mnt'])
  }
  await run('wipefs', ['-q', '-a', path])
  await run('mkswap', ['-q', path]).catch(() => run('mkswap', [path]))
  await run('swapon', [path])
  try {
    await refused(`drive data: ${path} is swap space in use`, words)
  } finally {
    await run('swapoff', [path])
  }
  t.equal(await driverOf(), 'nvme', 'nothing was taken')
  await take(words)
  t.equal(await driverOf(), 'vfio-pci', 'with the words for it, what it holds is no hindrance')
  t.strictSame(await giveBackOrphans(context, new Set()), [`gave ${pci} back to nvme`])
  t.equal(await driverOf(), 'nvme')
})

t.test('a controller that shares its group is not lent', async (t) => {
  const context = { stateDir: t.testdir(), procRoot: '/proc', sysRoot: '/sys' }
  const sata = '0000:00:1f.2'
  await t.rejects(takeFunction({ name: 'data', pci: sata }, 'vm', context), {
    message: new RegExp(`^drive data: ${sata} cannot be kept apart from 0000:00:1f`),
  })
})
