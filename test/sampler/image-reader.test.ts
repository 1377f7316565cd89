// Sizes of real images: files with holes, preallocated ones, a device.
import { execFileSync } from 'node:child_process'
import { open, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Drive, Tier } from '../../src/attribution/records.ts'
import { createImageReader, imageKey } from '../../src/sampler/image-reader.ts'
import { parseQcow2Size } from '../../src/source/image-size.ts'
import type { LogicalVolume } from '../../src/source/lvm.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import { drive, folder } from '../collector/host.ts'
import { diskFor } from '../storage/block-device.ts'

const MIB = 2 ** 20

async function sizeOf(
  more: Partial<Drive>,
  tier: Pick<Tier, 'name' | 'kind' | 'volumeGroup'> = { name: 'local', kind: 'directory' },
  volumes: LogicalVolume[] = [],
) {
  const vm = { name: 'a', pid: 1, drives: [drive('root', more)] }
  const errors: string[] = []
  const reader = createImageReader({
    sysRoot: '/sys',
    vms: () => [vm],
    tiers: () => [tier],
    readVolumes: async () => volumes,
    onError: (source, error) => errors.push(`${source}: ${(error as Error).message}`),
  })
  await reader.tick()
  const [size, under] = [0, 1].map((depth) => reader.of(imageKey(vm, vm.drives[0]!, depth)))
  return { size, errors, ...(under && { under }) }
}

t.test('a raw image with holes takes what was written', async (t) => {
  const path = join(await folder(t), 'root.raw')
  await writeFile(path, Buffer.alloc(MIB, 1))
  await truncate(path, 64 * MIB)
  const file = await open(path, 'r+')
  await file.sync() // until then a filesystem may not have decided
  await file.close()
  const { size, errors } = await sizeOf({ format: 'raw', backend: { kind: 'file', path } })
  t.match(size, { virtualBytes: 64 * MIB, fileBytes: 64 * MIB })
  const taken = size?.allocatedBytes ?? 0
  t.ok(taken >= MIB && taken < 2 * MIB, `${taken} bytes are taken`)
  t.strictSame(errors, [])
})

const noImages = (await missingPrograms(['qemu-img'])) ?? false

t.test('a qcow2: by the config, else by its header', { skip: noImages }, async (t) => {
  const path = join(await folder(t), 'root.qcow2')
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', path, '1G'])
  const backend = { kind: 'file' as const, path }
  const { size: own } = await sizeOf({ format: 'qcow2', backend, sizeBytes: 5 })
  t.equal(own?.virtualBytes, 5, 'of a drive that kvmio made it is known without a look')
  const { size } = await sizeOf({ format: 'qcow2', backend })
  t.equal(size?.virtualBytes, 2 ** 30)
  t.ok((size?.fileBytes ?? 0) < MIB && (size?.allocatedBytes ?? 0) < MIB, 'an empty one is small')
  execFileSync('qemu-img', ['resize', '-q', path, '2G'])
  t.equal((await sizeOf({ format: 'qcow2', backend })).size?.virtualBytes, 2 ** 31)
})

t.test('an image under it, by its own header', { skip: noImages }, async (t) => {
  const directory = await folder(t)
  const [own, base] = ['root', 'base'].map((name) => join(directory, `${name}.qcow2`)) as [
    string,
    string,
  ]
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', base, '1G'])
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2', own, '3G'])
  const under = { format: 'qcow2', backend: { kind: 'file' as const, path: base } }
  const backend = { kind: 'file' as const, path: own }
  const sizes = await sizeOf({ format: 'qcow2', backend, backingImages: [under] })
  t.match(sizes, { size: { virtualBytes: 3 * 2 ** 30 }, under: { virtualBytes: 2 ** 30 } })
})

t.test('what is not known is absent', async (t) => {
  const path = join(await folder(t), 'root.img')
  await writeFile(path, 'not a qcow2, and long enough to be one')
  const backend = { kind: 'file' as const, path }
  const odd = await sizeOf({ format: '', backend })
  t.equal(odd.size?.virtualBytes, undefined, 'no format, no size')
  t.equal(odd.size?.fileBytes, 38)
  const wrong = await sizeOf({ format: 'qcow2', backend })
  t.strictSame(wrong, {
    size: undefined,
    errors: [`image: ${path}: expected the header of a qcow2 image, got "not "`],
  })
  t.strictSame(await sizeOf({ backend: { kind: 'file', path: '/no/such.qcow2' } }), {
    size: undefined,
    errors: [],
  })
  const url = { kind: 'url' as const, url: 'nbd://127.0.0.1/x' }
  t.strictSame((await sizeOf({ backend: url, sizeBytes: 7 })).size, { virtualBytes: 7 })
})

const noLoop =
  (await missingPrograms(['losetup'])) ?? (process.getuid?.() === 0 ? false : 'not root')

t.test('a device is taken whole where the tier says so', { skip: noLoop }, async (t) => {
  const { path, name } = await diskFor(t, 8 * MIB)
  const of = (tier: Pick<Tier, 'kind' | 'volumeGroup'>) =>
    sizeOf({ format: 'raw', backend: { kind: 'device', path } }, { name: 'local', ...tier })
  const whole = { virtualBytes: 8 * MIB, allocatedBytes: 8 * MIB }
  t.strictSame((await of({ kind: 'device' })).size, whole)
  t.strictSame((await of({ kind: 'volumeGroup', volumeGroup: { name: 'vg0' } })).size, whole)
  t.strictSame((await of({ kind: 'directory' })).size, { ...whole, allocatedBytes: undefined })

  const thin = { kind: 'volumeGroup' as const, volumeGroup: { name: 'vg0', thinPool: 'pool' } }
  const group = { group: 'vg0', sizeBytes: 8 * MIB, tags: [], open: true }
  const ofThin = async (volumes: LogicalVolume[]) =>
    (
      await sizeOf(
        { format: 'raw', backend: { kind: 'device', path } },
        { name: 'local', ...thin },
        volumes,
      )
    ).size?.allocatedBytes
  t.equal(await ofThin([{ ...group, name, written: 0.125 }]), MIB, 'of a thin one what is written')
  t.equal(await ofThin([{ ...group, name }]), 8 * MIB, 'one of the group that is not thin')
  t.equal(await ofThin([{ ...group, name: 'other' }]), undefined, 'one that lvs does not know')
})

t.test('a header that was cut', async (t) => {
  t.throws(() => parseQcow2Size(Buffer.from('QFI\xfb', 'latin1')), {
    message: 'image: expected the header of a qcow2 image, got "QFIû"',
  })
})
