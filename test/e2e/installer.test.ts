import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { vmFiles } from '../../src/guest/plan.ts'
import { Qmp } from '../../src/source/qmp.ts'
import {
  applianceOrLack,
  guestOn,
  type Home,
  homeFor,
  initrdWith,
  journal,
  kvmio,
  LOCAL,
  nothingLeft,
  says,
  serve,
  takeKept,
  until,
  writeConfig,
} from './kvmio.ts'

const { appliance, lack: skip } = await applianceOrLack()

const CONFIG = {
  tiers: { local: LOCAL },
  guests: { empty: guestOn('local') },
}

/** Says nothing to kvmio: copies the answers that it finds in its ramdisk onto the drive, and powers off. */
const INIT = `#!/bin/busybox sh
busybox mount -t devtmpfs dev /dev
for module in virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk; do
  busybox insmod /modules/$module.ko
done
until [ -b /dev/vda ]; do busybox sleep 0.1; done
busybox dd if=/answers of=/dev/vda conv=notrunc,fsync
busybox poweroff -f
`

t.test("an installer of one's own: kernel, ramdisk and answers", { skip }, async (t) => {
  const home = await homeFor(t, CONFIG)
  const own = join(home.directory, 'own.img')
  await initrdWith(own, appliance?.initrd ?? '', INIT)
  const answers = `the answers, ${'again and '.repeat(99)}again\n`
  await writeFile(join(home.directory, 'answers.cfg'), answers)
  await writeConfig(home, {
    ...home.config,
    studies: {
      own: {
        guest: 'empty',
        pause: '0s',
        workload: {
          install: {
            kernel: appliance?.kernel,
            initrd: 'own.img',
            append: 'console=ttyS0 quiet panic=-1',
            files: { answers: 'answers.cfg' },
            keep: 'test-own',
          },
        },
        factors: { 'workload.install.done': ['power-off', 'reboot'] },
      },
    },
  })
  const { code, stdout } = await kvmio(home, ['run', 'own', '--once']).end(100_000)
  t.equal(code, 1, stdout)
  const runs = new Map(journal(home).map((run) => [run.case, run]))
  t.match(runs.get('power-off'), {
    outcome: 'passed',
    vms: [{ outcome: 'passed', phases: ['install', 'off'] }],
  })
  t.match(stdout, /^power-off +passed +\d+\.\d/m)
  t.match(runs.get('reboot'), {
    outcome: 'failed',
    reason:
      /^vm own-reboot-1: expected its installer to end with reboot, but it powered off(; last|$)/,
  })
  t.equal((await keptBytes(home, 'test-own-power-off', answers.length)).toString(), answers)
  await t.rejects(keptBytes(home, 'test-own-reboot', 1), 'nothing is kept of a run that failed')
  await nothingLeft(t, home)
})

t.test('an ISO image that boots, writes and reboots', { skip }, async (t) => {
  const home = await homeFor(t, CONFIG)
  await writeFile(join(home.directory, 'own.iso'), bootableImage())
  await writeConfig(home, {
    ...home.config,
    studies: {
      iso: {
        guest: 'empty',
        workload: { install: { iso: 'own.iso', done: 'reboot', keep: 'test-iso' } },
      },
    },
  })
  const { code, stdout, stderr } = await kvmio(home, ['run', 'iso', '--once']).end(100_000)
  t.equal(code, 0, stderr)
  t.match(stdout, /^only +passed +\d+\.\d/m)
  const kept = await keptBytes(home, 'test-iso', BOOT_CODE.length)
  t.ok(kept.equals(BOOT_CODE), 'what it wrote')
  await nothingLeft(t, home)
})

t.test('an installer that never ends', { skip }, async (t) => {
  const home = await homeFor(t, {
    ...CONFIG,
    guests: { empty: guestOn('local', { deadlines: { phase: '4s' } }) },
  })
  await writeFile(join(home.directory, 'own.iso'), Buffer.alloc(65_536)) // nothing boots from it
  await writeConfig(home, {
    ...home.config,
    studies: { iso: { guest: 'empty', workload: { install: { iso: 'own.iso' } } } },
  })
  const { code, stdout } = await kvmio(home, ['run', 'iso', '--once']).end(100_000)
  t.equal(code, 1)
  t.match(stdout, 'only: vm iso-only-1 did not leave phase "install" in 4 s')
  await nothingLeft(t, home)
})

t.test('a kvmio that is killed while an installer runs', { skip }, async (t) => {
  const home = await homeFor(t, CONFIG)
  await writeFile(join(home.directory, 'slow.iso'), bootableImage(WAITING_CODE))
  await writeConfig(home, {
    ...home.config,
    studies: {
      iso: { guest: 'empty', workload: { install: { iso: 'slow.iso', done: 'reboot' } } },
    },
  })
  const killedInstall = async (): Promise<void> => {
    const running = kvmio(home, ['run', 'iso', '--once'])
    await says(running, 'iso-only-1: install at 0.0 s')
    running.kill('SIGKILL')
    await running.end()
  }
  const outcomeOf = (run: number) =>
    until(`run ${run} to end`, () => {
      const found = journal(home)[run - 1]
      return found?.outcome ? found : undefined
    })

  await t.test('is followed by one that sees it end', async (t) => {
    await killedInstall()
    const next = await serve(home)
    t.match(await outcomeOf(1), { outcome: 'passed', vms: [{ phases: ['install', 'off'] }] })
    next.kill('SIGTERM')
    await next.end()
    await kvmio(home, ['run', 'iso', '--once']).end() // ends the block, which has all of its cases
  })

  await t.test('is followed by one that cannot know how it ended', async (t) => {
    await killedInstall()
    const path = vmFiles(join(home.state, 'vms/iso-only-1')).qmpDebug
    const qmp = await Qmp.connect({ name: 'the test', path, timeoutMs: 10_000 })
    await until('the machine to go off', async () => {
      const { status } = await qmp.command<{ status: string }>('query-status')
      return status === 'shutdown'
    })
    qmp.close()
    await serve(home)
    t.match(await outcomeOf(2), {
      outcome: 'abandoned',
      reason:
        'vm iso-only-1 went off while no kvmio watched, so how its installer ended is not known',
    })
  })
})

/** The first bytes of the drive whose image was kept. */
async function keptBytes(home: Home, name: string, length: number): Promise<Buffer> {
  return (await readFile(await takeKept(home, name))).subarray(0, length)
}

// 8086 code, loaded to 7C00: writes the 512 bytes that it is in to the first disk by the BIOS, and pulls the reset line
// by the keyboard controller.
const BOOT_CODE = Buffer.from('31c08ec0bb007cb80103b90100ba8000cd13b0fee664ebfe', 'hex')
// Waits for 145 of the BIOS' ticks, 8 seconds, before it does.
const WAITING_CODE = Buffer.from('b400cd1a89d3b400cd1a29da81fa910072f4b0fee664ebfe', 'hex')
const SECTOR = 2048

/** A CD that a BIOS boots, and no more: "El Torito" Bootable CD-ROM Format Specification, version 1.0. */
function bootableImage(code = BOOT_CODE): Buffer {
  const image = Buffer.alloc(32 * SECTOR)
  const descriptor = (sector: number, type: number): number => {
    image.writeUInt8(type, sector * SECTOR)
    image.write('CD001\x01', sector * SECTOR + 1, 'latin1')
    return sector * SECTOR
  }
  descriptor(16, 1)
  const record = descriptor(17, 0)
  image.write('EL TORITO SPECIFICATION', record + 7, 'latin1')
  image.writeUInt32LE(19, record + 0x47) // the catalog's sector
  descriptor(18, 255)
  const catalog = 19 * SECTOR
  image.writeUInt8(1, catalog)
  image.writeUInt16LE(0x55aa, catalog + 0x1c) // the checksum: all words add up to 0
  image.writeUInt16LE(0xaa55, catalog + 0x1e)
  image.writeUInt8(0x88, catalog + 0x20) // bootable, no emulation
  image.writeUInt16LE(4, catalog + 0x26) // 512-byte sectors
  image.writeUInt32LE(20, catalog + 0x28)
  code.copy(image, 20 * SECTOR)
  return image
}
