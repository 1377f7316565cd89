import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import {
  constants,
  mkdir,
  mkdtemp,
  open as openFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { TierConfig } from '../../src/config/schema.ts'
import { type FilesystemType, makeFilesystem } from '../../src/storage/mkfs.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import { openTier } from '../../src/storage/tiers.ts'
import { diskFor, sh, type TestDisk } from './block-device.ts'
import { cannotMakeDisks, stateFor, whatIsUp } from './state.ts'

const MIB = 2 ** 20
const skip = await cannotMakeDisks('wipefs', 'mkswap', 'addpart')

/** Opens every kind of tier that takes a device; gives what it says, and asserts that nothing was written. */
async function refusalOf(t: Test, disk: Pick<TestDisk, 'hash'>, path: string, overwrite?: string) {
  const context = await stateFor(t)
  const before = await disk.hash()
  const consent = overwrite === undefined ? {} : { overwrite }
  const configs: TierConfig[] = [
    { filesystem: { type: 'ext4', device: path }, ...consent },
    { device: path, ...consent },
  ]
  const messages = new Set<string | undefined>()
  for (const config of configs) {
    const open = await openTier('plain', config, context)
    messages.add(open.tier.unavailable)
    await open.close()
  }
  t.equal(await disk.hash(), before, 'not a byte has changed')
  t.strictSame(await whatIsUp(context), [])
  t.equal(messages.size, 1, 'both kinds say the same')
  return [...messages][0]
}

/** Refused without consent, and with it. */
async function refusedAlways(t: Test, disk: TestDisk, message: string): Promise<void> {
  t.equal(await refusalOf(t, disk, disk.path), message)
  t.equal(await refusalOf(t, disk, disk.path, `yes-destroy-${disk.name}`), message)
}

if (skip) t.plan(0, skip)
else {
  t.test('no device', async (t) => {
    const disk = await diskFor(t, 24 * MIB)
    const nowhere = '/dev/kvmio-nowhere'
    t.equal(await refusalOf(t, disk, nowhere), `${nowhere}: there is no such device`)
    t.equal(await refusalOf(t, disk, '/dev/null'), '/dev/null is not a block device')
    const file = join(import.meta.dirname, 'state.ts')
    t.equal(await refusalOf(t, disk, file), `${file} is not a block device`)
  })

  t.test('a mounted device', async (t) => {
    const disk = await diskFor(t, 24 * MIB)
    const mountPoint = await mounted(t, disk.path)
    await refusedAlways(t, disk, `${disk.path} is mounted at ${mountPoint}`)
  })

  const noBtrfs = (await missingPrograms(['mkfs.btrfs'])) ?? false
  t.test('a mounted btrfs, whose number is no device', { skip: noBtrfs }, async (t) => {
    const disk = await diskFor(t, 112 * MIB)
    const mountPoint = await mounted(t, disk.path, 'btrfs')
    await refusedAlways(t, disk, `${disk.path} is mounted at ${mountPoint}`)
  })

  t.test('a link to a mounted device', async (t) => {
    const disk = await diskFor(t, 24 * MIB)
    const mountPoint = await mounted(t, disk.path)
    const link = join(await folderFor(t), 'ata-EXAMPLE')
    await symlink(disk.path, link)
    const message = `${link} (${disk.path}) is mounted at ${mountPoint}`
    t.equal(await refusalOf(t, disk, link, 'yes-destroy-ata-EXAMPLE'), message)
  })

  t.test('a disk with a mounted partition, and the disk of a partition', async (t) => {
    const disk = await diskFor(t, 32 * MIB)
    // The kernel may know no partition tables; a partition can be added all the same.
    sh('addpart', disk.path, '1', '2048', '49152')
    t.teardown(() => sh('delpart', disk.path, '1'))
    const part = `${disk.path}p1`
    const mountPoint = await mounted(t, part)
    const which = `${disk.name}p1, which is mounted at ${mountPoint}`
    await refusedAlways(t, disk, `${disk.path} has the partition ${which}`)
    t.equal(await refusalOf(t, disk, part), `${part} is mounted at ${mountPoint}`)
  })

  t.test('a partition of a disk that is mounted as a whole', async (t) => {
    const disk = await diskFor(t, 32 * MIB)
    sh('addpart', disk.path, '1', '2048', '49152')
    t.teardown(() => sh('delpart', disk.path, '1'))
    const part = `${disk.path}p1`
    const mountPoint = await mounted(t, disk.path)
    const message = `${part} is part of ${disk.name}, which is mounted at ${mountPoint}`
    t.equal(await refusalOf(t, disk, part, `yes-destroy-${disk.name}p1`), message)
  })

  t.test('swap space in use', async (t) => {
    const disk = await diskFor(t, 24 * MIB)
    sh('mkswap', disk.path)
    sh('swapon', '--priority', '0', disk.path) // after any other, so that nothing of the host's goes there
    t.teardown(() => sh('swapoff', disk.path))
    // The kernel may put pages there when memory is short; the header is what nobody else writes.
    const hash = async () => {
      const header = Buffer.alloc(4096)
      const file = await openFile(disk.path, constants.O_RDONLY)
      await file.read(header, 0, header.length, 0).finally(() => file.close())
      return header.toString('base64')
    }
    await refusedAlways(t, { ...disk, hash }, `${disk.path} is swap space in use`)
  })

  t.test('a device that another has open for itself alone', async (t) => {
    const disk = await diskFor(t, 24 * MIB)
    const claim = await openFile(disk.path, constants.O_RDONLY | constants.O_EXCL)
    t.teardown(() => claim.close())
    await refusedAlways(t, disk, `${disk.path} is in use: it cannot be opened for one alone`)
  })

  t.test('a device under a loop device', async (t) => {
    const disk = await diskFor(t, 24 * MIB)
    const loop = sh('losetup', '--find', '--show', disk.path).trim()
    t.teardown(() => sh('losetup', '--detach', loop))
    await refusedAlways(t, disk, `${disk.path} is under loop device ${loop}`)
  })

  t.test('a member of something that stands on it', async (t) => {
    const disk = await diskFor(t, 24 * MIB)
    // What this kernel has no driver for is played by a tree of its sysfs.
    const { rdev } = await stat(disk.path)
    const [major, minor] = [(rdev >> 8) & 0xfff, rdev & 0xff]
    const sysRoot = await folderFor(t)
    const device = join(sysRoot, 'devices', disk.name)
    await mkdir(join(device, 'holders/dm-3'), { recursive: true })
    await mkdir(join(sysRoot, 'dev/block'), { recursive: true })
    await mkdir(join(sysRoot, 'block'))
    for (const [name, text] of Object.entries({
      dev: `${major}:${minor}`,
      size: '131072',
      ro: '0',
    }))
      await writeFile(join(device, name), `${text}\n`)
    await symlink(device, join(sysRoot, `dev/block/${major}:${minor}`))
    const context = { ...(await stateFor(t)), sysRoot }
    const before = await disk.hash()
    const config = { device: disk.path, overwrite: `yes-destroy-${disk.name}` }
    const { tier } = await openTier('plain', config, context)
    t.equal(tier.unavailable, `${disk.path} is used by dm-3`)
    t.equal(await disk.hash(), before)
  })

  t.test('a read-only device', async (t) => {
    const disk = await diskFor(t, 24 * MIB)
    sh('blockdev', '--setro', disk.path)
    t.teardown(() => sh('blockdev', '--setrw', disk.path))
    await refusedAlways(t, disk, `${disk.path} is read-only`)
  })

  const kinds: [what: string, make: (path: string) => void, holds: string][] = [
    ['a filesystem', (path) => sh('mkfs.ext4', '-q', '-F', '-L', 'data', path), 'ext4 ("data")'],
    ['swap', (path) => sh('mkswap', path), 'swap'],
    ['an MS-DOS table', (path) => writeFileSync(path, msdosTable()), 'dos'],
  ]
  if (!(await missingPrograms(['sfdisk'])))
    kinds.push(['a GUID table', (path) => table(path, 'label: gpt\n,\n'), 'gpt, PMBR'])
  if (!(await missingPrograms(['pvcreate'])))
    kinds.push(['LVM', (path) => sh('pvcreate', '-q', '--driverloaded', 'n', path), 'LVM2_member'])
  for (const [what, make, holds] of kinds) {
    t.test(`${what} that kvmio did not write`, async (t) => {
      const disk = await diskFor(t, 24 * MIB)
      make(disk.path)
      const consent = `yes-destroy-${disk.name}`
      const message = `${disk.path} holds what kvmio did not write: ${holds}; to have it overwritten, say overwrite: ${consent}`
      t.equal(await refusalOf(t, disk, disk.path), message)
      t.equal(await refusalOf(t, disk, disk.path, 'yes-destroy-sda'), message)

      const context = await stateFor(t)
      const config: TierConfig = {
        filesystem: { type: 'ext4', device: disk.path },
        overwrite: consent,
      }
      const open = await openTier('plain', config, context)
      t.equal(open.tier.unavailable, undefined, 'with these words it goes')
      await open.close()
      t.match(sh('wipefs', '--json', disk.path), /"type": "ext4"/)
      t.equal(sh('wipefs', '--json', disk.path).match(/"type"/g)?.length, 1, 'and nothing is left')
    })
  }
}

/** One partition, from 1 MiB on. */
function msdosTable(): Buffer {
  const sector = Buffer.alloc(512)
  sector.set([0, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 0, 1, 0], 446)
  sector.set([0x55, 0xaa], 510)
  return sector
}

function table(path: string, input: string): void {
  execFileSync('sfdisk', ['--quiet', path], { input, stdio: ['pipe', 'ignore', 'pipe'] })
}

async function folderFor(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kvmio-safety-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A filesystem of another's on it, mounted where that is. */
async function mounted(t: Test, path: string, type: FilesystemType = 'ext4'): Promise<string> {
  const mountPoint = await folderFor(t)
  await makeFilesystem({ type, name: 'theirs', words: [], path })
  sh('mount', '-o', 'ro', '-t', type, path, mountPoint) // a kernel thread would write else
  t.teardown(() => sh('umount', mountPoint))
  return mountPoint
}
