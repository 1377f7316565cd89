// https://docs.kernel.org/arch/x86/boot.html: the header of a bzImage.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import { run } from '../../lib/process.ts'

const SECTOR_BYTES = 512
const SIZE_BYTES = 4 // the kernel's build appends the unpacked size to the payload
const XZ = Buffer.from('fd377a585a00', 'hex')
const ZSTD = Buffer.from('28b52ffd', 'hex')
// The ELF note XEN_ELFNOTE_PHYS32_ENTRY, by which qemu starts a kernel that is not packed:
// https://xenbits.xen.org/docs/unstable/misc/pvh.html
const PVH_NOTE = Buffer.from('\x12\0\0\0Xen\0', 'latin1')

/**
 * The kernel that is packed into a bzImage, or undefined when qemu could not start it as it is. Unpacking is what a
 * guest does first at every boot, before its clock starts: of xz it takes 3.5 s under TCG.
 */
export async function unpackKernel(
  bzImage: string,
  work: string,
  signal?: AbortSignal,
): Promise<Buffer | undefined> {
  const payload = findPayload(await readFile(bzImage))
  const kernel = payload && (await unpack(payload, join(work, 'vmlinux'), signal))
  return kernel?.includes(PVH_NOTE) ? kernel : undefined
}

function findPayload(image: Buffer): Buffer | undefined {
  if (image.toString('latin1', 0x202, 0x206) !== 'HdrS') return undefined
  const setupSectors = image.readUInt8(0x1f1) || 4
  const start = (setupSectors + 1) * SECTOR_BYTES + image.readUInt32LE(0x248)
  return image.subarray(start, start + image.readUInt32LE(0x24c) - SIZE_BYTES)
}

async function unpack(
  payload: Buffer,
  file: string,
  signal?: AbortSignal,
): Promise<Buffer | undefined> {
  if (payload.subarray(0, ZSTD.length).equals(ZSTD)) return zstdDecompressSync(payload)
  if (!payload.subarray(0, XZ.length).equals(XZ)) return undefined
  await writeFile(`${file}.xz`, payload)
  await run('xz', ['-d', `${file}.xz`], { signal }) // busybox' own knows no branch filter, which kernels have
  return readFile(file)
}
