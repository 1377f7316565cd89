import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { run } from '../../src/lib/process.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import { guestOn, homeFor, journal, kvmio, LOCAL, nothingLeft } from './kvmio.ts'

const skip = (await missingPrograms(['qemu-system-x86_64', 'qemu-img'])) ?? false

/** A boot sector that has the machine's power off at once: SeaBIOS puts PIIX4's PM1a control register at port 0x604. */
function silentDisk(): Buffer {
  const sector = Buffer.alloc(512)
  // mov dx, 0x604; mov ax, 0x2000; out dx, ax; hlt
  sector.set([0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef, 0xf4])
  sector.writeUInt16LE(0xaa55, 510)
  return Buffer.concat([sector, Buffer.alloc(2 ** 20 - 512)])
}

const CONFIG = {
  tiers: { local: LOCAL },
  guests: {
    silent: guestOn('local', { system: { image: 'silent.img', format: 'raw', seed: 'none' } }),
    awaited: guestOn('local', { system: { image: 'silent.img', format: 'raw' } }),
    narrow: guestOn('local', { system: { image: 'large.qcow2', seed: 'none' } }, { size: '1MiB' }),
  },
  studies: {
    silent: {
      guest: 'silent',
      blocks: 1,
      pause: '0s',
      workload: { idle: {} },
      factors: {
        'drives.root.format': ['raw', 'qcow2'],
        'drives.root.bus': ['virtio-blk', 'ide'],
      },
    },
    awaited: { guest: 'awaited', blocks: 1, workload: { idle: {} } },
    narrow: { guest: 'narrow', blocks: 1, workload: { idle: {} } },
  },
}

t.test("the user's own image", { skip }, async (t) => {
  const home = await homeFor(t, CONFIG)
  await writeFile(join(home.directory, 'silent.img'), silentDisk())
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', join(home.directory, 'large.qcow2'), '2M'])

  const silent = await kvmio(home, ['run', 'silent', '--once']).end(90_000)
  t.equal(silent.code, 0, silent.stderr)
  const runs = journal(home)
  t.strictSame(runs.map(({ case: name }) => name).sort(), [
    'qcow2-ide',
    'qcow2-virtio-blk',
    'raw-ide',
    'raw-virtio-blk',
  ])
  for (const { vms } of runs) t.match(vms, [{ outcome: 'passed', phases: [] }])

  const awaited = await kvmio(home, ['run', 'awaited']).end(60_000)
  t.equal(awaited.code, 1)
  t.equal(
    journal(home).at(-1)?.reason?.split('; last')[0],
    'vm awaited-only-1 went off before its first phase without saying how it ended',
    'an image with a seed has to speak',
  )

  const narrow = await kvmio(home, ['run', 'narrow']).end(60_000)
  t.not(narrow.code, 0)
  t.match(
    narrow.stderr,
    `drive root: expected at least 2 MiB, the virtual size of ${home.directory}/large.qcow2, got 1 MiB`,
  )
  await nothingLeft(t, home)
})
