import { execFileSync } from 'node:child_process'
import { open as openFile, readFile, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { TierConfig } from '../../src/config/schema.ts'
import { type DiskRecord, diskFiles } from '../../src/storage/disk-record.ts'
import { attachLoop } from '../../src/storage/loop.ts'
import { removeOrphans } from '../../src/storage/orphans.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import { checkTier, openTier } from '../../src/storage/tiers.ts'
import {
  cannotMakeDisks,
  diskstatOf,
  kill,
  openInChild,
  printed,
  stateFor,
  whatIsUp,
} from './state.ts'

const MIB = 2 ** 20
const EXT4: TierConfig = { filesystem: { type: 'ext4', size: 64 * MIB } }
const skip = await cannotMakeDisks()
if (skip) t.plan(0, skip)
else {
  for (const type of ['ext4', 'ext3', 'ext2', 'xfs', 'btrfs'] as const) {
    const skip = (await missingPrograms([`mkfs.${type}`])) ?? false
    t.test(`${type} on a loop file`, { skip }, async (t) => {
      const context = await stateFor(t)
      const size = type === 'xfs' ? 320 * MIB : 128 * MIB
      const config: TierConfig = { filesystem: { type, size } }
      const open = await openTier('first-tier-of-all', config, context)
      const { tier } = open
      t.match(tier, { kind: 'filesystem', filesystem: type })
      t.equal(tier.unavailable, undefined)
      t.match(tier.device, /^loop\d+$/)
      t.equal(await checkTier(open), undefined)
      const { image } = diskFiles(context.stateDir, tier.name)
      t.equal((await stat(image)).size, size)
      t.ok((await stat(image)).blocks * 512 < size / 2, 'sparse')

      await writeFile(join(tier.directory!, 'kept'), 'as it was')
      execFileSync('sync', ['-f', tier.directory!])
      t.ok((await diskstatOf(tier.device!)).writesCompleted > 0, 'counted at the loop device')
      await open.close()
      t.strictSame(await whatIsUp(context), [])

      const again = await openTier('first-tier-of-all', config, context)
      t.equal(await readFile(join(again.tier.directory!, 'kept'), 'utf8'), 'as it was')
      await again.close()
      t.strictSame(await whatIsUp(context), [])
    })
  }

  t.test('mkfs leaves no table for a kernel thread to write later', async (t) => {
    const context = await stateFor(t)
    const size = 512 * MIB // four groups of blocks
    const { tier, close } = await openTier('plain', { filesystem: { type: 'ext4', size } }, context)
    const { image } = diskFiles(context.stateDir, tier.name)
    const groups = execFileSync('dumpe2fs', [image], { encoding: 'utf8', stdio: 'pipe' })
    t.equal(groups.match(/^Group \d+:/gm)?.length, 4)
    t.equal(groups.match(/ITABLE_ZEROED/g)?.length, 4)
    await close()
  })

  t.test('another type or size is made anew', async (t) => {
    const context = await stateFor(t)
    const configs: TierConfig[] = [
      EXT4,
      { filesystem: { type: 'ext4', size: 80 * MIB } },
      { filesystem: { type: 'ext2', size: 80 * MIB } },
    ]
    for (const config of configs) {
      const { tier, close } = await openTier('plain', config, context)
      const file = join(tier.directory!, 'kept')
      await t.rejects(stat(file), { code: 'ENOENT' })
      await writeFile(file, '')
      t.equal(tier.filesystem, config.filesystem?.type)
      await close()
    }
    t.strictSame(await whatIsUp(context), [])
  })

  t.test('a failed mkfs or mount says why, and leaves nothing up', async (t) => {
    const context = await stateFor(t)
    const tiny: TierConfig = { filesystem: { type: 'ext4', size: 8_192 } }
    const small = await openTier('plain', tiny, context)
    t.match(small.tier.unavailable, /^mkfs\.ext4 exited with code 1:\n {2}/)

    await (await openTier('plain', EXT4, context)).close()
    const { image } = diskFiles(context.stateDir, 'plain')
    const file = await openFile(image, 'r+')
    await file.write(Buffer.alloc(64 * 1024), 0)
    await file.close()
    const broken = await openTier('plain', EXT4, context)
    t.match(broken.tier.unavailable, /^mount exited with code 32:\n {2}mount: .*wrong fs type/)
    t.match(broken.tier.unavailable, `; remove ${image} to have it made anew`)
    t.strictSame(await whatIsUp(context), [])

    await unlink(image)
    const anew = await openTier('plain', EXT4, context)
    t.equal(anew.tier.unavailable, undefined)
    await anew.close()
  })

  t.test('a killed kvmio finds its tier as it left it', async (t) => {
    const context = await stateFor(t)
    const child = openInChild(t, 'plain', EXT4, context)
    const { tier: left } = await printed<{ tier: { device: string; directory: string } }>(child)
    await writeFile(join(left.directory, 'kept'), 'as it was')
    execFileSync('sync', ['-f', left.directory])
    const before = await diskstatOf(left.device)
    await kill(child)

    const open = await openTier('plain', EXT4, context)
    t.strictSame(open.tier, left)
    t.equal(await readFile(join(left.directory, 'kept'), 'utf8'), 'as it was')
    const after = await diskstatOf(left.device)
    t.ok(after.writesCompleted >= before.writesCompleted && before.writesCompleted > 0)
    await open.close()
    t.strictSame(await whatIsUp(context), [])
  })

  t.test('half of a disk is taken down and built again', async (t) => {
    const context = await stateFor(t)
    const open = await openTier('plain', EXT4, context)
    const { tier } = open
    await writeFile(join(tier.directory!, 'kept'), 'as it was')
    execFileSync('umount', [tier.directory!])
    t.equal(await checkTier(open), `/dev/${tier.device} is no longer mounted at ${tier.directory}`)
    const again = await openTier('plain', EXT4, context)
    t.equal(await readFile(join(tier.directory!, 'kept'), 'utf8'), 'as it was')
    t.equal((await whatIsUp(context)).length, 2, 'one mount, one loop device')

    execFileSync('umount', [tier.directory!])
    execFileSync('losetup', ['-d', `/dev/${again.tier.device}`])
    const { image } = diskFiles(context.stateDir, 'plain')
    t.equal(await checkTier(again), `/dev/${again.tier.device} is no longer attached to ${image}`)
    await again.close()
    t.strictSame(await whatIsUp(context), [])
  })

  t.test('a read-only filesystem no longer works', async (t) => {
    const context = await stateFor(t)
    const open = await openTier('plain', EXT4, context)
    execFileSync('mount', ['-o', 'remount,ro', open.tier.directory!])
    const expected = `${open.tier.directory} has become read-only after an I/O error`
    t.equal(await checkTier(open), expected)
    await open.close()
    t.strictSame(await whatIsUp(context), [])
  })

  t.test('a disk in use is let go of, and not built a second time over it', async (t) => {
    const context = await stateFor(t)
    const open = await openTier('plain', EXT4, context)
    const { device, directory } = open.tier
    const { image } = diskFiles(context.stateDir, 'plain')
    const user = await openFile(join(directory!, 'busy'), 'w')
    t.teardown(() => user.close())
    const inUse = `/dev/${device} is in use; it lets go of ${image} when that ends`
    await t.rejects(open.close(), { message: `tier plain: ${inUse}` })
    const again = await openTier('plain', EXT4, context)
    t.equal(again.tier.unavailable, `what was left of it is still in use: ${inUse}`)
    await user.close()
    const third = await openTier('plain', EXT4, context)
    t.equal(third.tier.unavailable, undefined)
    await third.close()
    t.strictSame(await whatIsUp(context), [])
  })

  t.test('orphans are found with and without a record', async (t) => {
    const context = await stateFor(t)
    t.strictSame(await removeOrphans(join(context.stateDir, 'nowhere')), [])
    const one = await openTier('one', EXT4, context)
    const two = await openTier('two', EXT4, context)
    await unlink(diskFiles(context.stateDir, 'two').record)
    const files = [one, two].map(({ tier }) => diskFiles(context.stateDir, tier.name))
    t.strictSame(
      await removeOrphans(context.stateDir, context),
      [one, two].flatMap(({ tier }, index) => [
        `unmounted ${tier.directory}`,
        `detached /dev/${tier.device} from ${files[index]!.image}`,
      ]),
    )
    t.strictSame(await whatIsUp(context), [])
    t.strictSame(await removeOrphans(context.stateDir, context), [])

    // Killed between losetup and the record.
    const loop = await attachLoop(files[0]!.image, context)
    t.strictSame(await removeOrphans(context.stateDir, context), [
      `detached /dev/${loop} from ${files[0]!.image}`,
    ])
    const record: DiskRecord = JSON.parse(await readFile(files[0]!.record, 'utf8'))
    t.equal(record.live, undefined)
  })
}
