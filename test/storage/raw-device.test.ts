import { readFile, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Backend } from '../../src/attribution/records.ts'
import type { TierConfig } from '../../src/config/schema.ts'
import { readSignatures } from '../../src/source/signatures.ts'
import { createImage } from '../../src/storage/image.ts'
import { removeOrphans } from '../../src/storage/orphans.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import { availableBytes } from '../../src/storage/space.ts'
import { checkTier, openTier } from '../../src/storage/tiers.ts'
import { diskFor, sh } from './block-device.ts'
import { imageOn } from './image-options.ts'
import { cannotMakeDisks, kill, openInChild, printed, roots, stateFor } from './state.ts'

const MIB = 2 ** 20
const skip = (await cannotMakeDisks('wipefs')) || ((await missingPrograms(['qemu-img'])) ?? false)

/** Makes a filesystem on a device as a guest does: qemu has not opened it for itself alone. */
async function guestWrites(t: Test, path: string): Promise<void> {
  const file = join(t.testdir({ image: '' }), 'image')
  await truncate(file, 16 * MIB)
  sh('mkfs.ext4', '-q', '-F', file)
  sh('dd', `if=${file}`, `of=${path}`, 'bs=1M', 'conv=fsync,notrunc')
}

if (skip) t.plan(0, skip)
else {
  t.test('a device is one drive, and empty again when that is given back', async (t) => {
    const disk = await diskFor(t, 32 * MIB)
    const context = await stateFor(t)
    const open = await openTier('bare', { device: disk.path }, context)
    t.match(open.tier, {
      kind: 'device',
      device: disk.name,
      target: disk.path,
      sizeBytes: 32 * MIB,
    })
    t.equal(open.tier.unavailable, undefined)
    t.equal(await checkTier(open), undefined)
    t.equal(await availableBytes(open), 32 * MIB)
    const backend = open.locate('demo-1', 'root', 'raw')
    t.strictSame(backend, { kind: 'device', path: disk.path })

    await createImage(open, imageOn(backend, { sizeBytes: 16 * MIB }))
    await guestWrites(t, disk.path) // beside kvmio's claim
    await open.release(backend)
    t.strictSame(await readSignatures(disk.path), [])

    await createImage(open, imageOn(backend, { format: 'qcow2', sizeBytes: 16 * MIB }))
    const info = JSON.parse(sh('qemu-img', 'info', '--output=json', disk.path))
    t.match(info, { format: 'qcow2', 'virtual-size': 16 * MIB })
    await open.release(backend)
    await open.release(backend)
    t.notMatch(sh('qemu-img', 'info', '--output=json', disk.path), /qcow2/)

    await t.rejects(createImage(open, imageOn(backend, { sizeBytes: 64 * MIB })), {
      message: `${disk.path} has 32 MiB, and a drive of 64 MiB is asked for`,
    })
    await open.close()
    await t.rejects(createImage(open, imageOn(backend, { sizeBytes: 16 * MIB })), {
      message: 'a device that is unavailable holds no drive',
    })
  })

  t.test('while kvmio has it nobody else can make a filesystem on it', async (t) => {
    const disk = await diskFor(t, 32 * MIB)
    const context = await stateFor(t)
    const open = await openTier('bare', { device: disk.path }, context)
    t.throws(() => sh('wipefs', '--all', disk.path), /Device or resource busy/)
    const two = await openTier('two', { device: disk.path }, context)
    t.equal(two.tier.unavailable, `${disk.path} is in use: it cannot be opened for one alone`)
    await open.close()
    sh('wipefs', '--all', disk.path)
  })

  t.test('what a guest left when kvmio was killed is kvmio’s own, in this boot', async (t) => {
    const disk = await diskFor(t, 32 * MIB)
    const context = await stateFor(t)
    const config: TierConfig = { device: disk.path }
    const child = openInChild(t, 'bare', config, context, { drive: 16 * MIB })
    const { backend } = await printed<{ backend: Backend }>(child)
    await kill(child)
    sh('mkfs.ext4', '-q', '-F', disk.path)

    const record = join(context.stateDir, 'tiers/bare/device')
    t.equal((await stat(record)).mode & 0o777, 0o600)
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
    t.equal(await readFile(record, 'utf8'), `${disk.path}\n${boot}`)

    const open = await openTier('bare', config, context)
    t.equal(open.tier.unavailable, undefined)
    t.equal((await readSignatures(disk.path)).length, 1, 'a vm that lives still has its drive')
    await open.release(backend)
    t.strictSame(await readSignatures(disk.path), [])
    await open.close()

    sh('mkfs.ext4', '-q', '-F', disk.path)
    const before = await disk.hash()
    t.match((await openTier('bare', config, context)).tier.unavailable, /holds what kvmio did not/)
    t.equal(await disk.hash(), before, 'given back, it is no longer')
  })

  t.test('after a reboot it is not', async (t) => {
    const disk = await diskFor(t, 32 * MIB)
    const context = await stateFor(t)
    const rebooted = { ...context, procRoot: t.testdir({ self: { mountinfo: '' }, swaps: '' }) }
    const open = await openTier('bare', { device: disk.path }, rebooted)
    await createImage(open, imageOn(open.locate('demo-1', 'root', 'raw'), { sizeBytes: MIB }))
    await open.close()
    sh('mkfs.ext4', '-q', '-F', disk.path)
    const before = await disk.hash()
    const refusal = `${disk.path} holds what kvmio did not write: ext4; to have it overwritten, say overwrite: yes-destroy-${disk.name}`
    t.equal((await openTier('bare', { device: disk.path }, context)).tier.unavailable, refusal)
    t.strictSame(await removeOrphans(context.stateDir, context), [
      `${disk.path} still holds a drive: ${refusal}`,
    ])
    t.equal(await disk.hash(), before)
  })

  t.test('clean empties the device of a dead run', async (t) => {
    const disk = await diskFor(t, 32 * MIB)
    const context = await stateFor(t)
    const child = openInChild(t, 'bare', { device: disk.path }, context, { drive: 16 * MIB })
    await printed(child)
    await kill(child)
    sh('mkfs.ext4', '-q', '-F', disk.path)
    t.strictSame(await removeOrphans(context.stateDir, { ...roots }), [`emptied ${disk.path}`])
    t.strictSame(await readSignatures(disk.path), [])
    t.strictSame(await removeOrphans(context.stateDir, { ...roots }), [])
  })
}
