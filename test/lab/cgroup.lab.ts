// cgroup v2: what a vm writes through the host's page cache is its own on the device, and io.max holds a vm back.
import { access, glob, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { cgroupOf } from '../../src/cli/cgroups.ts'
import { run } from '../../src/lib/process.ts'
import {
  createCgroup,
  findIoHierarchy,
  readCgroupIo,
  removeCgroup,
} from '../../src/source/cgroup.ts'
import { forgetMakers } from '../../src/storage/inode-maker.ts'
import { journal, nothingLeft, type Page, says, until, writes } from '../e2e/kvmio.ts'
import {
  DISK,
  labGuest,
  labHome,
  mountDisk,
  pageWhere,
  phaseSeconds,
  startStudy,
} from './inside.ts'

const MIB = 2 ** 20
const WRITTEN = 8 * MIB
/** Writes a second: the least that io.max takes, so that the guest, however slow its host, would make more. */
const LIMIT = 2
const TIER = '/srv/disk'

await mountDisk(t, TIER)

const CONFIG = {
  tiers: { disk: { directory: TIER } },
  guests: {
    cached: labGuest('disk', { cache: 'writeback' }),
    direct: labGuest('disk', { cache: 'none' }),
  },
  studies: {
    cached: { guest: 'cached', pause: '0s', workload: writes('8MiB', '64KiB', '45s') },
    limited: { guest: 'direct', vms: 2, pause: '0s', workload: writes('4MiB') },
  },
}

t.test(
  'what is written back counts for the cgroup that made the file, until that is forgotten',
  async (t) => {
    const hierarchy = await findIoHierarchy('/proc')
    t.match(hierarchy, { version: 2, root: '/sys/fs/cgroup' })
    const path = 'kvmio-lab/writer'
    await createCgroup(hierarchy!, path)
    t.teardown(() => removeCgroup(hierarchy!, 'kvmio-lab'))
    const device = (await run('lsblk', ['-ndo', 'MAJ:MIN', DISK.path])).trim()
    const written = async () =>
      (await readCgroupIo(hierarchy!, path)).find((io) => io.device === device)?.writtenBytes ?? 0

    for (const forgotten of [false, true]) {
      const file = join(TIER, `forgotten-${forgotten}`)
      await writeFile(file, '')
      await truncate(file, WRITTEN)
      await run('sync', ['-f', TIER])
      if (forgotten) await forgetMakers([file], '/proc')
      const before = await written()
      const move = `echo $$ >/sys/fs/cgroup/${path}/cgroup.procs`
      const write = `dd if=/dev/urandom of=${file} bs=64k count=${WRITTEN / 65536} conv=notrunc`
      await run('sh', ['-c', `${move}; ${write}`])
      await run('sync', [file])
      const bytes = (await written()) - before
      if (forgotten) t.ok(bytes >= WRITTEN, `then ${bytes} bytes are the writer's`)
      else t.ok(bytes < WRITTEN / 2, `${bytes} bytes are the writer's`)
    }
  },
)

t.test('host-cached writes are counted for the vm that made them', async (t) => {
  const home = await labHome(t, CONFIG)
  const started = await startStudy(home, 'cached')
  const vm = 'cached-only-1'
  await says(started, `${vm}: settle at`)
  // The kernel would write it back after half a minute by itself.
  for await (const image of glob(`${TIER}/${vm}-root.*`)) await run('sync', [image])
  const labels = { vm, device: DISK.name }
  const bytesOn = (page: Page) => page.value('kvmio_vm_device_written_bytes_total', labels) ?? 0
  const guestBytes = (page: Page) =>
    page.value('kvmio_guest_disk_written_bytes_total', { vm, drive: 'root' }) ?? 0
  // The guest tells once a second.
  const page = await pageWhere(
    started,
    'cached',
    (page) => bytesOn(page) >= WRITTEN && guestBytes(page) >= WRITTEN,
  )
  const bytes = bytesOn(page)
  t.equal(guestBytes(page), WRITTEN, 'the guest says the same')
  t.ok(bytes < 1.5 * WRITTEN, `${bytes} bytes on the device are hardly more`)
  t.ok(page.value('kvmio_vm_device_writes_completed_total', labels), 'and it took transactions')
  const { code, stderr } = await started.end()
  t.equal(code, 0, stderr)
  t.match(journal(home)[0], { outcome: 'passed' })
  await nothingLeft(t, home)
})

t.test('io.max holds back what the vm itself submits', async (t) => {
  const home = await labHome(t, CONFIG)
  const started = await startStudy(home, 'limited')
  const file = join('/sys/fs/cgroup', cgroupOf(home.state), 'limited-only-1', 'io.max')
  await until('the cgroup of the vm', () =>
    access(file).then(
      () => true,
      () => false,
    ),
  )
  const device = (await run('lsblk', ['-ndo', 'MAJ:MIN', DISK.path])).trim()
  await writeFile(file, `${device} wiops=${LIMIT}`, { flag: 'r+' })
  const { code, stderr } = await started.end()
  t.equal(code, 0, stderr)
  const seconds = phaseSeconds(home, 'write')
  const [limited = 0, free = Number.POSITIVE_INFINITY] = ['1', '2'].map((slot) =>
    seconds.get(`limited-only-${slot}`),
  )
  const writes = (4 * MIB) / (64 * 1024)
  t.ok(limited > 0.9 * (writes / LIMIT), `${writes} writes at ${LIMIT}/s took ${limited} s`)
  t.ok(free < limited, `its neighbour without a limit took ${free} s`)
  await nothingLeft(t, home)
})
