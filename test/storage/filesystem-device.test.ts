import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { TierConfig } from '../../src/config/schema.ts'
import { readMounts } from '../../src/source/mounts.ts'
import { readSignatures } from '../../src/source/signatures.ts'
import { diskFiles, readDiskRecord } from '../../src/storage/disk-record.ts'
import { removeOrphans } from '../../src/storage/orphans.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import { readTierFacts } from '../../src/storage/tier-facts.ts'
import { checkTier, openTier } from '../../src/storage/tiers.ts'
import { diskFor, sh } from './block-device.ts'
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
const skip = await cannotMakeDisks('wipefs')

if (skip) t.plan(0, skip)
else {
  for (const type of ['ext4', 'ext3', 'ext2', 'xfs', 'btrfs'] as const) {
    const skip = (await missingPrograms([`mkfs.${type}`])) ?? false
    t.test(`${type} on a device`, { skip }, async (t) => {
      const disk = await diskFor(t, (type === 'xfs' ? 320 : 128) * MIB)
      const context = await stateFor(t)
      const config: TierConfig = { filesystem: { type, device: disk.path } }
      const open = await openTier('metal', config, context)
      t.match(open.tier, { kind: 'filesystem', filesystem: type, device: disk.name })
      t.equal(open.tier.unavailable, undefined)
      t.equal(await checkTier(open), undefined)
      const files = diskFiles(context.stateDir, 'metal')
      const record = await readDiskRecord(files)
      const [signature, ...more] = await readSignatures(disk.path)
      t.match(signature, { uuid: record?.uuid, label: /^kvmio-metal/ })
      t.strictSame(more, [])

      await writeFile(join(open.tier.directory!, 'kept'), 'as it was')
      sh('sync', '-f', open.tier.directory!)
      t.ok((await diskstatOf(disk.name)).writesCompleted > 0, 'counted at the device itself')
      await open.close()
      t.strictSame(await whatIsUp(context), [])
      const again = await openTier('metal', config, context)
      t.equal(again.tier.unavailable, undefined)
      t.equal(await readFile(join(again.tier.directory!, 'kept'), 'utf8'), 'as it was')
      sh('umount', again.tier.directory!)
      const gone = `/dev/${disk.name} is no longer mounted at ${files.mountPoint}`
      t.equal(await checkTier(again), gone)
      await again.close()
    })
  }

  t.test(
    "another kvmio's filesystem is not this one's, and neither is a new one of its own",
    async (t) => {
      const disk = await diskFor(t, 32 * MIB)
      const config: TierConfig = { filesystem: { type: 'ext4', device: disk.path } }
      const [one, two] = [await stateFor(t), await stateFor(t)]
      await (await openTier('metal', config, one)).close()
      const before = await disk.hash()
      const refusal = `${disk.path} holds what kvmio did not write: ext4 ("kvmio-metal"); to have it overwritten, say overwrite: yes-destroy-${disk.name}`
      t.equal((await openTier('metal', config, two)).tier.unavailable, refusal)
      t.equal(await disk.hash(), before)

      sh('mkfs.ext4', '-q', '-F', '-L', 'kvmio-metal', disk.path)
      const made = await disk.hash()
      t.equal((await openTier('metal', config, one)).tier.unavailable, refusal)
      t.equal(await disk.hash(), made, 'made again by another, with the same label')
    },
  )

  t.test('one of two tiers has a device', async (t) => {
    const disk = await diskFor(t, 32 * MIB)
    const context = await stateFor(t)
    const config: TierConfig = { filesystem: { type: 'ext4', device: disk.path } }
    const one = await openTier('one', config, context)
    const two = await openTier('two', { device: disk.path }, context)
    t.equal(two.tier.unavailable, `${disk.path} is mounted at ${one.tier.directory}`)
    await one.close()
  })

  t.test('a killed kvmio finds it as it left it, and clean takes it down', async (t) => {
    const disk = await diskFor(t, 32 * MIB)
    const context = await stateFor(t)
    const config: TierConfig = { filesystem: { type: 'ext4', device: disk.path } }
    const child = openInChild(t, 'metal', config, context)
    const { tier: left } = await printed<{ tier: { directory: string } }>(child)
    await writeFile(join(left.directory, 'kept'), 'as it was')
    await kill(child)
    const open = await openTier('metal', config, context)
    t.strictSame(open.tier, left)
    t.equal(await readFile(join(left.directory, 'kept'), 'utf8'), 'as it was')
    t.strictSame(await removeOrphans(context.stateDir, context), [`unmounted ${left.directory}`])
    t.strictSame(await whatIsUp(context), [])
  })

  t.test('other words for mkfs make it anew, other mount options mount it anew', async (t) => {
    const disk = await diskFor(t, 32 * MIB)
    const context = await stateFor(t)
    for (const on of [{ device: disk.path }, { size: 32 * MIB }]) {
      const name = 'device' in on ? 'metal' : 'file'
      const small = { type: 'ext4' as const, ...on, mkfs: ['-b', '4096', '-E', 'stride=4'] }
      const steps: [filesystem: TierConfig['filesystem'], kept: boolean, options: string[]][] = [
        [{ type: 'ext4', ...on }, false, ['rw', 'noexec']],
        [small, false, ['rw', 'nosuid']],
        [{ ...small, mount: ['sync', 'noatime'] }, true, ['sync', 'noatime', 'nodev']],
        [{ ...small, mount: ['data=journal'] }, true, ['data=journal']],
        [
          { ...small, mount: ['data=writeback', 'barrier=0'] },
          true,
          ['data=writeback', 'nobarrier'],
        ],
        [{ type: 'ext4', ...on, mkfs: [] }, false, ['rw']],
      ]
      for (const [filesystem, kept, options] of steps) {
        const open = await openTier(name, { filesystem }, context)
        const { tier, close } = open
        t.equal(tier.unavailable, undefined)
        const file = join(tier.directory!, 'kept')
        t.equal(await readFile(file, 'utf8').catch(() => undefined), kept ? 'as it was' : undefined)
        await writeFile(file, 'as it was')
        const mount = (await readMounts('/proc')).find((one) => one.mountPoint === tier.directory)
        for (const option of options) t.ok(mount?.options.includes(option), option)
        const facts = await readTierFacts(open)
        t.match(facts, { config: { filesystem }, filesystem: 'ext4', device: tier.device })
        for (const option of options) t.ok(facts.mountOptions?.includes(option), option)
        const superblock = sh('dumpe2fs', '-h', `/dev/${tier.device}`)
        const blockSize = filesystem?.mkfs?.length ? 4096 : 1024
        t.match(superblock, new RegExp(`Block size: +${blockSize}`))
        if (blockSize === 4096) t.match(superblock, /RAID stride: +4/)
        await close()
      }
    }
    t.strictSame(await whatIsUp(context), [])
  })

  t.test('a mount option that this filesystem does not know', async (t) => {
    const context = await stateFor(t)
    const config: TierConfig = {
      filesystem: { type: 'ext4', size: 32 * MIB, mount: ['compress=zstd'] },
    }
    const { tier } = await openTier('file', config, context)
    t.match(tier.unavailable, /^mount exited with code 32:\n/)
    const { image } = diskFiles(context.stateDir, 'file')
    t.match(tier.unavailable, `; check its mount options, or remove ${image} to have it made anew`)
    t.strictSame(await whatIsUp(context), [])
  })

  const noReiserfs = (await missingPrograms(['mkfs.reiserfs'])) ?? false
  const known = await readFile('/proc/filesystems', 'utf8')
  t.test('reiserfs', { skip: noReiserfs }, async (t) => {
    const context = await stateFor(t)
    const config: TierConfig = { filesystem: { type: 'reiserfs', size: 64 * MIB } }
    const open = await openTier('old', config, context)
    if (!/reiserfs/.test(known)) {
      t.equal(open.tier.unavailable, 'this kernel has no reiserfs')
      return
    }
    t.match(open.tier, { filesystem: 'reiserfs' })
    await open.close()
  })

  const noEmulation = (await missingPrograms(['nbdkit', 'nbdfuse'])) ?? false
  t.test('an emulated disk over a device', { skip: noEmulation }, async (t) => {
    const disk = await diskFor(t, 32 * MIB)
    const context = await stateFor(t)
    const config: TierConfig = {
      filesystem: { type: 'ext4', device: disk.path },
      emulate: { serviceTime: 0.001 },
    }
    const open = await openTier('metal', config, context)
    t.equal(open.tier.unavailable, undefined)
    t.match(open.tier.device, /^loop\d+$/)
    t.not(open.tier.device, disk.name)
    t.equal(await checkTier(open), undefined)
    await open.close()
    t.strictSame(await whatIsUp(context), [])
    const plain = await openTier('metal', { filesystem: config.filesystem }, context)
    t.equal(plain.tier.device, disk.name, 'without it, the device itself')
    await plain.close()
  })
}
