import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { driveProblems } from '../../src/config/drive-rules.ts'
import { FORMATS, PREALLOCATIONS } from '../../src/config/drive-schema.ts'
import { backingSpaceBytes, createBacking } from '../../src/storage/backing.ts'
import {
  createArgv,
  createImage,
  type ImageOptions,
  type ImageRoom,
  placeOf,
} from '../../src/storage/image.ts'
import { allocateFile, releaseFile } from '../../src/storage/image-file.ts'
import { imageSpaceBytes } from '../../src/storage/image-space.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import { checkSource } from '../../src/storage/source-image.ts'
import { combinations } from '../combinations.ts'
import { imageOn } from './image-options.ts'
import { tmpfs } from './state.ts'

const MIB = 2 ** 20
const root = process.geteuid?.() === 0
const noQemuImg = (await missingPrograms(['qemu-img'])) ?? false

/** An image in a file, without options. */
function plain(path: string, more: Partial<ImageOptions> = {}): ImageOptions {
  return imageOn({ kind: 'file', path }, more)
}

/** Room in a directory, as a tier of that kind has it. */
function roomFor(path: string): ImageRoom {
  return {
    allocate: (_, bytes) => allocateFile(path, bytes),
    release: () => releaseFile(path),
  }
}

t.test('images of each format', { skip: noQemuImg }, async (t) => {
  const directory = t.testdir()
  for (const format of ['raw', 'qcow2'] as const) {
    // A comma, a colon and an equals sign are what qemu's option syntax trips over.
    const path = join(directory, `nbd:a,b=c.${format}`)
    await writeFile(path, 'left by an abandoned run')
    await createImage(roomFor(path), plain(path, { format }))
    const { mode } = await stat(path)
    t.equal(mode & 0o777, 0o600)
    const info = JSON.parse(
      execFileSync('qemu-img', ['info', '--output=json', path], { encoding: 'utf8' }),
    )
    t.match(info, { format, 'virtual-size': 8 * MIB, filename: path })
    await releaseFile(path)
    await t.rejects(stat(path), { code: 'ENOENT' })
    await releaseFile(path)
  }
})

t.test('never over a file that is there', async (t) => {
  const path = join(t.testdir({ 'a.raw': 'precious' }), 'a.raw')
  await t.rejects(allocateFile(path, MIB), {
    message: `image ${path} is there already; remove it first`,
  })
  t.equal(await readFile(path, 'utf8'), 'precious')
})

t.test('what qemu-img says is kept, and its file is not', { skip: noQemuImg }, async (t) => {
  const path = join(t.testdir(), 'a.qcow2')
  const image = plain(path, { format: 'qcow2', sizeBytes: 1.5 })
  const error = await createImage(roomFor(path), image).catch((e) => e)
  t.match(
    error.message,
    /^qemu-img exited with code 1:\n {2}qemu-img: Invalid image size specified/,
  )
  await t.rejects(stat(path), { code: 'ENOENT' })
})

t.test('no space', { skip: root ? false : 'needs root to mount a tmpfs' }, async (t) => {
  const directory = await tmpfs(t, 'size=8m')
  await writeFile(join(directory, 'other'), Buffer.alloc(2 * MIB))
  for (const [format, needed] of [
    ['raw', '6.5 MiB'],
    ['qcow2', '6.8 MiB'],
  ] as const) {
    const path = join(directory, `a.${format}`)
    const image = plain(path, { format, sizeBytes: 6.5 * MIB })
    await t.rejects(createImage(roomFor(path), image), {
      message: `image ${path} can grow to ${needed}, but ${directory} has 6 MiB available`,
    })
    await t.rejects(stat(path), { code: 'ENOENT' })
  }
})

t.test('check and qemu-img agree on what an image may be', { skip: noQemuImg }, async (t) => {
  const directory = t.testdir()
  const below = plain(join(directory, 'below'))
  await createImage(roomFor(placeOf(below.backend)), below)
  const images = combinations({
    format: FORMATS,
    preallocation: PREALLOCATIONS,
    clusterSize: [undefined, 8192, 16_384],
    lazyRefcounts: [false, true],
    extendedL2: [false, true],
    backing: [0, 1],
  })
  let refused = 0
  for (const options of images) {
    const path = join(directory, 'image')
    const backing = options.backing === 0 ? [] : [below]
    const image = plain(path, { ...options, backing } as Partial<ImageOptions>)
    const problems = driveProblems({ tier: 'any', size: 8 * MIB, ...options } as never)
    const made = spawnSync('qemu-img', createArgv(image), { encoding: 'utf8' })
    const words = `${JSON.stringify(options)}: ${problems[0]?.message ?? 'good'}`
    if ((made.status === 0) !== (problems.length === 0))
      t.fail(`${words}, but qemu-img: ${made.stderr}`)
    if (problems.length > 0) refused += 1
    await rm(path, { force: true })
  }
  t.equal(images.length, 192)
  t.equal(refused, 192 - 65, 'good by hand: 3 of raw, 40 of qcow2 alone, 22 of it over another')
})

t.test('a chain: a full image below, empty overlays above it', { skip: noQemuImg }, async (t) => {
  const directory = t.testdir()
  const path = (depth: number) => join(directory, `base${depth}`)
  const backing = [0, 1, 2].map((depth) => ({
    format: depth === 0 ? ('raw' as const) : ('qcow2' as const),
    backend: { kind: 'file', path: path(depth) } as const,
  }))
  const room: ImageRoom = {
    allocate: (backend, bytes) => allocateFile(placeOf(backend), bytes),
    release: (backend) => releaseFile(placeOf(backend)),
  }
  await createBacking(room, { backing, sizeBytes: 3 * MIB + 512 })
  const top = plain(join(directory, 'top'), { format: 'qcow2', sizeBytes: 3 * MIB + 512, backing })
  await createImage(room, top)
  const args = ['info', '--backing-chain', '--output=json', placeOf(top.backend)]
  const chain = JSON.parse(execFileSync('qemu-img', args, { encoding: 'utf8' }))
  t.match(chain, [
    { filename: placeOf(top.backend), 'backing-filename': path(2), format: 'qcow2' },
    { filename: path(2), 'backing-filename': path(1), format: 'qcow2' },
    { filename: path(1), 'backing-filename': path(0), format: 'qcow2' },
    { filename: path(0), format: 'raw', 'virtual-size': 3 * MIB + 512 },
  ])
  const taken = await Promise.all(backing.map((_, depth) => stat(path(depth))))
  t.ok(taken[0]!.blocks * 512 >= 3 * MIB + 512, 'the lowest has no holes')
  t.notOk((await readFile(path(0))).includes(Buffer.alloc(4096)), 'nor zeros')
  const all = taken.reduce((sum, { blocks }) => sum + blocks * 512, 0)
  t.ok(all <= backingSpaceBytes(3, 3 * MIB + 512) + 4096, 'and no more than was planned')
})

t.test('an image that holds something from the start', { skip: noQemuImg }, async (t) => {
  const directory = t.testdir()
  const source = join(directory, 'source.qcow2')
  const data = randomBytes(MIB)
  await writeFile(join(directory, 'data'), Buffer.concat([data, Buffer.alloc(MIB), data]))
  execFileSync('qemu-img', ['convert', '-O', 'qcow2', join(directory, 'data'), source])
  const holds = async (image: ImageOptions) => {
    const raw = join(directory, 'read-back')
    execFileSync('qemu-img', ['convert', '-O', 'raw', placeOf(image.backend), raw])
    const bytes = await readFile(raw)
    return (
      bytes.length === image.sizeBytes &&
      bytes.subarray(0, MIB).equals(data) &&
      bytes.subarray(MIB, 2 * MIB).equals(Buffer.alloc(MIB)) &&
      bytes.subarray(2 * MIB, 3 * MIB).equals(data) &&
      bytes.subarray(3 * MIB).equals(Buffer.alloc(image.sizeBytes - 3 * MIB))
    )
  }
  const from = { path: source, format: 'qcow2' } as const
  const copies: [name: string, more: Partial<ImageOptions>][] = [
    ['raw', {}],
    ['laid out', { preallocation: 'full' }],
    ['qcow2', { format: 'qcow2', preallocation: 'metadata', clusterSize: 8192 }],
  ]
  for (const [name, more] of copies) {
    const path = join(directory, name)
    const image = plain(path, { ...more, source: from })
    await createImage(roomFor(path), image)
    t.ok(await holds(image), name)
  }
  const sparse = await stat(join(directory, 'raw'))
  t.ok(sparse.blocks * 512 < 4 * MIB, 'holes stay holes')

  const base = { format: 'raw', backend: { kind: 'file', path: join(directory, 'base') } } as const
  const overlay = plain(join(directory, 'overlay'), {
    format: 'qcow2',
    backing: [base],
    source: from,
  })
  const room: ImageRoom = {
    allocate: (backend, bytes) => allocateFile(placeOf(backend), bytes),
    release: (backend) => releaseFile(placeOf(backend)),
  }
  await createBacking(room, overlay)
  await createImage(room, overlay)
  t.ok(await holds(overlay), 'an overlay')
  t.ok((await stat(placeOf(overlay.backend))).size < MIB, 'which holds nothing of its own')

  await t.rejects(checkSource(from, { name: 'root', sizeBytes: 2 * MIB }), {
    message: `drive root: expected at least 3 MiB, the virtual size of ${source}, got 2 MiB`,
  })
  await checkSource(from, { name: 'root', sizeBytes: 3 * MIB })
})

const noLoop = root ? false : 'needs root for a loop device'

t.test(
  'a block device holds it too, whatever it held',
  { skip: noQemuImg || noLoop },
  async (t) => {
    const directory = t.testdir()
    const source = join(directory, 'source')
    const data = Buffer.concat([randomBytes(MIB), Buffer.alloc(MIB)])
    await writeFile(source, data)
    await writeFile(join(directory, 'disk'), randomBytes(4 * MIB))
    const losetup = (...args: string[]) =>
      execFileSync('losetup', args, { encoding: 'utf8' }).trim()
    const device = losetup('--find', '--show', join(directory, 'disk'))
    t.teardown(() => losetup('--detach', device))
    const image = plain('', { backend: { kind: 'device', path: device }, sizeBytes: 4 * MIB })
    const room: ImageRoom = { async allocate() {}, async release() {} }
    await createImage(room, { ...image, source: { path: source, format: 'raw' } })
    execFileSync('sync', [device])
    t.ok((await readFile(join(directory, 'disk'))).subarray(0, 2 * MIB).equals(data))
  },
)

t.test('the worst case is what qemu-img measures', { skip: noQemuImg }, async (t) => {
  const sizes = [1, 65_536, 65_537, MIB, 512 * MIB, 2 ** 30, 3.3 * 2 ** 30, 2 ** 40, 2 ** 44]
  const shapes = [
    {},
    { extendedL2: true },
    { clusterSize: 4096 },
    { clusterSize: 2 * MIB, extendedL2: true },
  ]
  for (const size of sizes.map(Math.floor)) {
    for (const { clusterSize, extendedL2 = false } of shapes) {
      if (clusterSize === 4096 && size > 2 ** 40) continue // more than such an image can hold
      const options = [
        `extended_l2=${extendedL2 ? 'on' : 'off'}`,
        ...(clusterSize === undefined ? [] : [`cluster_size=${clusterSize}`]),
      ]
      const args = ['measure', '-O', 'qcow2', '-o', options.join()]
      const measured = JSON.parse(
        execFileSync('qemu-img', [...args, '--output=json', '--size', String(size)], {
          encoding: 'utf8',
        }),
      )
      const image = { format: 'qcow2', sizeBytes: size, clusterSize, extendedL2 } as const
      t.equal(imageSpaceBytes(image), measured['fully-allocated'], `${size} bytes, ${options}`)
    }
    t.equal(imageSpaceBytes({ format: 'raw', sizeBytes: size }), size)
  }
})

t.test('a larger disk never takes less', async () => {
  const sizes = fc.tuple(fc.nat(2 ** 31 - 1), fc.nat(2 ** 31 - 1))
  const most = (sizeBytes: number) => imageSpaceBytes({ format: 'qcow2', sizeBytes })
  fc.assert(
    fc.property(sizes, ([a, more]) => {
      const [small, large] = [most(a), most(a + more)]
      return small >= a && small <= large
    }),
  )
})
