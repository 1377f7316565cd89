// The kernel unpacks archives that stand one behind the other, each packed or not:
// https://docs.kernel.org/driver-api/early-userspace/buffer-format.html
import { readFile, writeFile } from 'node:fs/promises'
import type { KernelPlan } from './plan.ts'

const ALIGNED = 4
const REGULAR_FILE = 0o100644
const HEADER_FIELDS = 13

/** Writes an initrd with files put into the root of it. */
export async function writeInitrd(output: string, boot: KernelPlan): Promise<void> {
  const { initrd, files = {} } = boot
  const below = initrd === undefined ? Buffer.alloc(0) : await readFile(initrd)
  const contents = await Promise.all(
    Object.entries(files).map(async ([name, path]) => ({ name, content: await readFile(path) })),
  )
  await writeFile(output, Buffer.concat([padded(below), cpioArchive(contents)]))
}

/** A cpio archive of the kind newc: cpio(5). */
export function cpioArchive(files: readonly { name: string; content: Uint8Array }[]): Buffer {
  const entries = files.map(({ name, content }, index) => entry(name, content, index + 1))
  return Buffer.concat([...entries, entry('TRAILER!!!', new Uint8Array(), 0, 0)])
}

function entry(name: string, content: Uint8Array, inode: number, mode = REGULAR_FILE): Buffer {
  const nameBytes = Buffer.byteLength(name) + 1
  const fields: number[] = Array(HEADER_FIELDS).fill(0)
  fields[0] = inode
  fields[1] = mode
  fields[4] = 1 // links
  fields[6] = content.length
  fields[11] = nameBytes
  const header = fields.map((field) => field.toString(16).padStart(8, '0')).join('')
  return Buffer.concat([padded(Buffer.from(`070701${header}${name}\0`)), padded(content)])
}

function padded(bytes: Uint8Array): Buffer {
  const length = Math.ceil(bytes.length / ALIGNED) * ALIGNED
  return Buffer.concat([bytes], length)
}
