import { execFileSync } from 'node:child_process'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { createImage, type ImageRoom, imageSpaceBytes } from '../../src/storage/image.ts'
import { allocateFile, releaseFile } from '../../src/storage/image-file.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import { tmpfs } from './state.ts'

const MIB = 2 ** 20
const root = process.geteuid?.() === 0
const noQemuImg = (await missingPrograms(['qemu-img'])) ?? false

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
    const backend = { kind: 'file', path } as const
    await writeFile(path, 'left by an abandoned run')
    await createImage(roomFor(path), { backend, format, sizeBytes: 8 * MIB })
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
  const backend = { kind: 'file', path } as const
  const error = await createImage(roomFor(path), {
    backend,
    format: 'qcow2',
    sizeBytes: 1.5,
  }).catch((e) => e)
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
    const image = { backend: { kind: 'file', path } as const, format, sizeBytes: 6.5 * MIB }
    await t.rejects(createImage(roomFor(path), image), {
      message: `image ${path} can grow to ${needed}, but ${directory} has 6 MiB available`,
    })
    await t.rejects(stat(path), { code: 'ENOENT' })
  }
})

t.test('the worst case is what qemu-img measures', { skip: noQemuImg }, async (t) => {
  const sizes = [1, 65_536, 65_537, MIB, 512 * MIB, 2 ** 30, 3.3 * 2 ** 30, 2 ** 40, 2 ** 44]
  for (const size of sizes.map(Math.floor)) {
    const args = ['measure', '-O', 'qcow2', '--output=json', '--size', String(size)]
    const measured = JSON.parse(execFileSync('qemu-img', args, { encoding: 'utf8' }))
    t.equal(imageSpaceBytes('qcow2', size), measured['fully-allocated'], `${size} bytes`)
    t.equal(imageSpaceBytes('raw', size), size)
  }
})

t.test('a larger disk never takes less', async () => {
  const sizes = fc.tuple(fc.nat(2 ** 31 - 1), fc.nat(2 ** 31 - 1))
  fc.assert(
    fc.property(sizes, ([a, more]) => {
      const [small, large] = [imageSpaceBytes('qcow2', a), imageSpaceBytes('qcow2', a + more)]
      return small >= a && small <= large
    }),
  )
})
