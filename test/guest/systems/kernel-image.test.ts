import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import t from 'tap'
import { unpackKernel } from '../../../src/guest/systems/kernel-image.ts'
import { run } from '../../../src/lib/process.ts'

const KERNEL = Buffer.from('\x7fELF...\x12\0\0\0Xen\0...', 'latin1')

/** A kernel image with 2 sectors of set-up code and its payload 32 bytes into the rest. */
function bzImage(payload: Buffer): Buffer {
  const head = Buffer.alloc(3 * 512 + 32)
  head.writeUInt8(2, 0x1f1)
  head.write('HdrS', 0x202)
  head.writeUInt32LE(32, 0x248)
  head.writeUInt32LE(payload.length + 4, 0x24c)
  return Buffer.concat([head, payload, Buffer.from('size'), Buffer.from('signature')])
}

t.test('the kernel in an image', async (t) => {
  const directory = t.testdir({ kernel: KERNEL })
  await run('xz', ['-k', join(directory, 'kernel')])
  const image = join(directory, 'vmlinuz')
  const unpacked = async (content: Buffer) => {
    await writeFile(image, content)
    return unpackKernel(image, directory)
  }
  t.strictSame(await unpacked(bzImage(zstdCompressSync(KERNEL))), KERNEL, 'zstd')
  t.strictSame(await unpacked(bzImage(await readFile(join(directory, 'kernel.xz')))), KERNEL, 'xz')
  t.equal(await unpacked(bzImage(zstdCompressSync('no entry for qemu'))), undefined)
  t.equal(await unpacked(bzImage(Buffer.from('lz4 or another'))), undefined)
  t.equal(await unpacked(Buffer.from('no kernel image')), undefined)
})
