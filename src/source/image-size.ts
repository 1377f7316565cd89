// How large an image is: inode(7) for what its file takes, qemu/docs/interop/qcow2.rst for what its guest sees.
import { open, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { KvmioError } from '../lib/errors.ts'
import { SECTOR_BYTES } from './diskstats.ts'
import { deviceNumber } from './mounts.ts'
import { wholeNumber } from './whole-number.ts'

export interface FileSize {
  /** What of the filesystem is taken: less than the length of a file with holes, more than that of a preallocated one. */
  allocatedBytes: number
  /** Length. */
  fileBytes: number
}

/** The unit of st_blocks, whatever the filesystem's block size is. */
const BLOCK_BYTES = 512
const QCOW2_MAGIC = 0x514649fb // QFI\xfb
const QCOW2_SIZE_OFFSET = 24
const HEADER_BYTES = 32

/** Of an image file. */
export async function readFileSize(path: string): Promise<FileSize> {
  const { size, blocks } = await stat(path)
  return { allocatedBytes: blocks * BLOCK_BYTES, fileBytes: size }
}

/** What a guest sees of a qcow2. */
export async function readQcow2Size(path: string): Promise<number> {
  await using file = await open(path)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0)
  return parseQcow2Size(buffer.subarray(0, bytesRead), path)
}

/** The size in a qcow2 header. */
export function parseQcow2Size(header: Buffer, file = 'image'): number {
  if (header.length < HEADER_BYTES || header.readUInt32BE(0) !== QCOW2_MAGIC) {
    const found = JSON.stringify(header.subarray(0, 4).toString('latin1'))
    throw new KvmioError(`${file}: expected the header of a qcow2 image, got ${found}`)
  }
  return Number(header.readBigUInt64BE(QCOW2_SIZE_OFFSET))
}

/** Of a block device. */
export async function readDeviceSize(sysRoot: string, path: string): Promise<number> {
  const { rdev } = await stat(path, { bigint: true })
  const file = join(sysRoot, 'dev/block', deviceNumber(rdev), 'size')
  return wholeNumber((await readFile(file, 'utf8')).trim(), 'sectors', file, 1) * SECTOR_BYTES
}
