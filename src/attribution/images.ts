import type { ImageFile } from '../source/image-file.ts'
import { mapperName } from '../source/lvm.ts'
import { type Mount, mountOf } from '../source/mounts.ts'
import type { BlockDevice } from '../source/sysfs.ts'

/** What of a host says where a file lies. */
export interface StorageFacts {
  mounts: readonly Mount[]
  devices: readonly BlockDevice[]
  /** The names of the devices of each filesystem that has several. */
  groups: readonly (readonly string[])[]
}

/** Where an image lies. */
export interface ImagePlace {
  /** Absent where the image is a block device itself, and where no mount that this process sees holds it. */
  mount?: Mount
  /** Names of the block devices under it: none of tmpfs, overlay and NFS, several of a btrfs that has several. */
  devices: readonly string[]
}

/** From an image to its mount and the devices under that. */
export function placeImage(
  image: ImageFile,
  { mounts, devices, groups }: StorageFacts,
): ImagePlace {
  const { path, filesystem, blockDevice } = image
  const self = blockDevice === undefined ? deviceAt(path, devices) : byNumber(blockDevice, devices)
  if (blockDevice !== undefined || self !== undefined) return { devices: [self ?? []].flat() }
  const mount = mountOf(path, mounts, filesystem)
  const under = byNumber(filesystem ?? mount?.device, devices) ?? sourceOf(mount, devices)
  const group = groups.find((members) => under !== undefined && members.includes(under))
  return { ...(mount && { mount }), devices: group ?? [under ?? []].flat() }
}

function byNumber(number: string | undefined, devices: readonly BlockDevice[]): string | undefined {
  return devices.find(({ major, minor }) => `${major}:${minor}` === number)?.name
}

/** btrfs: the mount's number is no device's, but its source is one of its devices. */
function sourceOf(mount: Mount | undefined, devices: readonly BlockDevice[]): string | undefined {
  return mount?.device.startsWith('0:') ? deviceAt(mount.source, devices) : undefined
}

/** /dev/sda1, /dev/mapper/vg0-images, /dev/vg0/images. */
function deviceAt(path: string, devices: readonly BlockDevice[]): string | undefined {
  if (!path.startsWith('/dev/')) return undefined
  const name = path.slice('/dev/'.length)
  const label = name.startsWith('mapper/') ? name.slice('mapper/'.length) : mapperName(path)
  return devices.find((device) => device.name === name || device.label === label)?.name
}
