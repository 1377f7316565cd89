import { type ImagePlace, placeImage, type StorageFacts } from '../attribution/images.ts'
import type { Backend, Drive, Vm } from '../attribution/records.ts'
import * as m from '../metrics/catalog.ts'
import { type Sample, sample } from '../metrics/family.ts'
import type { ImageFile } from '../source/image-file.ts'

/** One image of a drive, as it lies on this host. */
export interface DriveImage {
  vm: string
  drive: string
  /** 0 is the drive's own, the next ones lie under it. */
  depth: number
  format: string
  backend: Backend
}

/** The images of all drives, those under their own included. */
export function driveImages(vms: readonly Vm[]): DriveImage[] {
  return vms.flatMap((vm) => vm.drives.flatMap((drive) => chainOf(vm.name, drive)))
}

/** Its path on this host, if it has one. */
export function pathsOf({ backend }: DriveImage): string[] {
  return backend.kind === 'url' ? [] : [backend.path]
}

/** Where an image lies; nowhere on this host when a server has it. */
export function placeOf(
  { backend }: DriveImage,
  found: (path: string) => ImageFile | undefined,
  facts: StorageFacts,
): ImagePlace {
  if (backend.kind === 'url') return { devices: [] }
  return placeImage(found(backend.path) ?? { path: backend.path }, facts)
}

export function imageSample(image: DriveImage, { mount, devices }: ImagePlace): Sample {
  const { vm, drive, depth, format, backend } = image
  const [one = '', ...more] = devices
  const labels = {
    vm,
    drive,
    depth: String(depth),
    image: backend.kind === 'url' ? withoutUser(backend.url) : backend.path,
    format,
    filesystem: mount?.filesystem ?? '',
    mountpoint: mount?.mountPoint ?? '',
    device: more.length > 0 ? '' : one,
  }
  return sample(m.driveImageInfo, labels, 1)
}

function chainOf(vm: string, { name, format, backend, backingImages = [] }: Drive): DriveImage[] {
  const chain = [{ format, backend }, ...backingImages]
  return chain.map((image, depth) => ({ vm, drive: name, depth, ...image }))
}

/** Of a vm that kvmio did not start there may be a password beside the user's name. */
function withoutUser(url: string): string {
  return url.replace(/^([a-z+]+:\/\/)[^/@]*@/, '$1')
}
