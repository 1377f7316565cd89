import { chown, mkdir, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import t, { type Test } from 'tap'
import type { TierConfig } from '../../src/config/schema.ts'
import { filesystemOf, readMounts } from '../../src/source/mounts.ts'
import { checkTier, closeTier, openTier } from '../../src/storage/tiers.ts'
import { cannotMakeDisks, openInChild, printed, stateFor, tmpfs, whatIsUp } from './state.ts'

const MIB = 2 ** 20
const EXT4: TierConfig = { filesystem: { type: 'ext4', size: 64 * MIB } }
const EMULATED: TierConfig = { ...EXT4, emulate: { serviceTime: 0.01 } }
const notRoot = process.geteuid?.() === 0 ? false : 'needs root'

t.test('a directory in the state directory is made, and its device found', async (t) => {
  const context = await stateFor(t)
  const directory = join(context.stateDir, 'local')
  const open = await openTier('local', { directory, target: { latency: 0.005 } }, context)
  const { mount, device } = await filesystemOf(directory, await readMounts('/proc'))
  t.match(open.tier, {
    name: 'local',
    kind: 'directory',
    directory,
    filesystem: mount.filesystem,
    targetLatency: 0.005,
  })
  t.equal(open.tier.unavailable, undefined)
  t.equal(typeof open.tier.device, device === undefined ? 'undefined' : 'string')
  t.strictSame(await readdir(directory), [], 'nothing of the writing test stays')
  t.equal((await stat(directory)).mode & 0o777, 0o700)
  t.equal(await checkTier(open), undefined)
  await open.close()
  t.ok((await stat(directory)).isDirectory(), 'closing leaves it')

  const again = await openTier('local', { directory }, context)
  t.equal(again.tier.unavailable, undefined)
  if (!again.tier.device) return
  await rm(directory, { recursive: true })
  t.equal(await checkTier(again), `${directory} is no longer there`)
})

t.test('a state directory behind a symbolic link', async (t) => {
  const context = await stateFor(t)
  const link = `${context.stateDir}-link`
  await symlink(context.stateDir, link)
  t.teardown(() => rm(link))
  const directory = join(link, 'local')
  const open = await openTier('local', { directory }, { ...context, stateDir: link })
  t.strictSame([open.tier.directory, open.tier.unavailable], [directory, undefined])
})

t.test('a directory elsewhere has to be there', async (t) => {
  const context = await stateFor(t)
  const elsewhere = await stateFor(t)
  const directory = join(elsewhere.stateDir, 'images')
  await unavailable(t, { directory }, `${directory}: there is no such directory; make it`)
  t.strictSame(await readdir(elsewhere.stateDir), [])
  await mkdir(directory)
  const open = await openTier('local', { directory }, context)
  t.equal(open.tier.unavailable, undefined)
})

t.test('what is said and rated of a tier', async (t) => {
  const context = await stateFor(t)
  const config: TierConfig = {
    directory: join(context.stateDir, 'local'),
    target: { latency: 0.05 },
    capacity: { transactionsPerSecond: 100 },
  }
  const { tier } = await openTier('local', config, context)
  t.match(tier, { targetLatency: 0.05, ratedTransactionsPerSecond: 100 })
})

t.test('a directory that is none', async (t) => {
  const { stateDir } = await stateFor(t)
  const file = join(stateDir, 'file')
  await writeFile(file, '')
  await unavailable(t, { directory: file }, `${file} is not a directory`)
})

t.test('a directory that cannot be written to', { skip: notRoot }, async (t) => {
  const directory = await tmpfs(t, 'ro,size=1m')
  const expected = `${directory} cannot be written to: its filesystem is read-only`
  await unavailable(t, { directory }, expected)
})

t.test('a filesystem that does not fit', { skip: await cannotMakeDisks() }, async (t) => {
  const context = await stateFor(t)
  const stateDir = await tmpfs(t, 'size=8m')
  const open = await openTier('sata', EXT4, { ...context, stateDir })
  t.equal(
    open.tier.unavailable,
    `needs 64 MiB for its loop file, but ${stateDir}/tiers/sata has 8 MiB available; make it smaller or free some space`,
  )
  t.strictSame(await readdir(join(stateDir, 'tiers/sata')), [])
})

t.test('programs that are not installed', { skip: await cannotMakeDisks() }, async (t) => {
  const bin = await stateFor(t)
  const path = process.env.PATH ?? ''
  t.teardown(() => {
    process.env.PATH = path
  })
  process.env.PATH = bin.stateDir
  const link = async (...names: string[]) => {
    for (const name of names) await symlink(await whereIs(name, path), join(bin.stateDir, name))
  }
  await unavailable(
    t,
    EXT4,
    'mkfs.ext4 and losetup and mount and umount are not installed: apt install e2fsprogs mount',
  )
  await link('mkfs.ext4', 'losetup', 'mount', 'umount', 'setsid')
  await unavailable(
    t,
    EMULATED,
    'nbdkit and nbdfuse are not installed: apt install nbdkit libnbd-bin',
  )
  const context = await stateFor(t)
  const open = await openTier('plain', EXT4, context)
  t.equal(open.tier.unavailable, undefined, 'a tier that needs neither works')
  await open.close()
  t.strictSame(await whatIsUp(context), [])
})

t.test(
  'a socket path that is too long',
  { skip: await cannotMakeDisks('nbdkit', 'nbdfuse') },
  async (t) => {
    const context = await stateFor(t)
    const stateDir = join(context.stateDir, 'd'.repeat(90))
    await mkdir(stateDir)
    const { tier } = await openTier('sata', EMULATED, { ...context, stateDir })
    const socket = join(stateDir, 'tiers/sata/nbd.sock')
    t.equal(
      tier.unavailable,
      `the path of its socket has ${socket.length} bytes, and a unix socket takes 107; choose a shorter state directory: ${socket}`,
    )
  },
)

t.test('a filesystem tier without root', { skip: notRoot }, async (t) => {
  const { stateDir } = await stateFor(t)
  await chown(stateDir, 65_534, 65_534)
  const child = openInChild(t, 'plain', EXT4, { stateDir } as never, { uid: 65_534 })
  const { tier } = await printed<{ tier: unknown }>(child)
  t.strictSame(tier, {
    name: 'plain',
    kind: 'filesystem',
    unavailable: 'needs root for loop devices and mounts; run kvmio as root or use a directory',
  })
})

t.test('an unavailable tier is still so when it is checked, and can be closed', async (t) => {
  const context = await stateFor(t)
  const open = await openTier('local', { directory: join(context.stateDir, 'a', 'b') }, context)
  t.ok(open.tier.unavailable)
  t.equal(await checkTier(open), open.tier.unavailable)
  await closeTier(open)
})

t.test('an interruption is no reason of the host', async (t) => {
  const context = await stateFor(t)
  const signal = AbortSignal.abort(new Error('interrupted'))
  await t.rejects(openTier('plain', EXT4, { ...context, signal }), { message: 'interrupted' })
  t.strictSame(await readdir(context.stateDir), [])
})

t.test(
  'a disk.img that kvmio did not write is not touched',
  { skip: await cannotMakeDisks() },
  async (t) => {
    const context = await stateFor(t)
    const directory = join(context.stateDir, 'tiers/plain')
    const image = join(directory, 'disk.img')
    await mkdir(directory, { recursive: true })
    await writeFile(image, 'precious')
    const expected = `${image} was not written by kvmio; move it away`
    t.equal((await openTier('plain', EXT4, context)).tier.unavailable, expected)

    await rm(image)
    await (await openTier('plain', EXT4, context)).close()
    await rename(image, `${image}.ours`)
    await writeFile(image, 'precious')
    t.equal((await openTier('plain', EXT4, context)).tier.unavailable, expected)
    t.equal((await stat(image)).size, 'precious'.length)

    await rename(`${image}.ours`, image)
    const open = await openTier('plain', EXT4, context)
    t.equal(open.tier.unavailable, undefined)
    await open.close()
  },
)

async function unavailable(t: Test, config: TierConfig, reason: string): Promise<void> {
  const context = await stateFor(t)
  const open = await openTier('some', config, context)
  t.equal(open.tier.unavailable, reason)
  t.equal(open.tier.directory, undefined)
  await open.close()
  t.strictSame(await whatIsUp(context), [])
}

async function whereIs(name: string, path: string): Promise<string> {
  for (const directory of path.split(delimiter)) {
    const file = join(directory, name)
    if (await stat(file).catch(() => undefined)) return file
  }
  throw new Error(`${name} is not on the PATH`)
}
