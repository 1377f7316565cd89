// https://www.qemu.org/docs/master/tools/qemu-img.html
import { open } from 'node:fs/promises'
import { KvmioError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { formatBytes } from '../lib/quantities.ts'
import { type ImageFormat, type Layer, placeOf } from './image.ts'

/** An image that others are made of; only read. */
export interface SourceImage {
  path: string
  format: ImageFormat
}

/** Writes what a source holds into an image that is there and is as large at least, and has it on the device. */
export async function copyImage(
  source: SourceImage,
  { backend, format }: Layer,
  signal?: AbortSignal,
): Promise<void> {
  // A new image file reads as zeros; what a block device held before is there until it is overwritten.
  const zero = backend.kind === 'file' ? ['--target-is-zero'] : []
  const formats = ['-f', source.format, '-O', format]
  await run('qemu-img', ['convert', '-n', ...zero, ...formats, source.path, placeOf(backend)], {
    signal,
  })
  if (backend.kind === 'url') return
  await using file = await open(backend.path, 'r+')
  await file.datasync()
}

/** Throws when a drive is too small for what it is to hold. */
export async function checkSource(
  source: SourceImage,
  drive: { name: string; sizeBytes: number },
  signal?: AbortSignal,
): Promise<void> {
  const args = ['info', '--force-share', '--output=json', '-f', source.format, source.path]
  const info = JSON.parse(await run('qemu-img', args, { signal }))
  const size = Number(info['virtual-size'])
  if (size <= drive.sizeBytes) return
  throw new KvmioError(
    `drive ${drive.name}: expected at least ${formatBytes(size)}, the virtual size of ${source.path}, got ${formatBytes(drive.sizeBytes)}`,
  )
}
