import type { FilePlace } from '../source/file-place.ts'
import type { Tier } from './records.ts'

/** An image of a vm that kvmio did not start: its path as its qemu has it, and what it stands on. */
export interface PlacedImage {
  path: string
  place: FilePlace
}

/** The tier that an image is on: one of the config's, or else one that is found there. */
export function tierOf(image: PlacedImage, configured: readonly Tier[]): Tier {
  const ranked = configured
    .map((tier) => ({ tier, rank: closeness(image, tier) }))
    .filter(({ rank }) => rank >= 0)
    .sort((a, b) => b.rank - a.rank)
  return ranked[0]?.tier ?? foundTier(image.place)
}

/** Above an image by its path, the longest path the closest; or else on the same filesystem, device or group; or not at all. */
function closeness({ path, place }: PlacedImage, tier: Tier): number {
  const { directory = '', device, volumeGroup, mount } = tier
  switch (place.kind) {
    case 'filesystem': {
      if (directory !== '' && path.startsWith(`${directory.replace(/\/$/, '')}/`))
        return directory.length
      if (directory === '') return -1
      const isSame =
        device === undefined ? mount?.point === place.mountPoint : device === place.device
      return isSame ? 0 : -1
    }
    case 'volume':
      if (volumeGroup?.name !== place.group) return -1
      if (volumeGroup.thinPool === place.thinPool) return 1
      return volumeGroup.thinPool === undefined ? 0 : -1
    case 'device':
      if (tier.kind !== 'device' || device === undefined) return -1
      if (device === place.device) return 1
      return device === place.disk ? 0 : -1
  }
}

/** Its name is that of the place, which begins with a slash, as no name in a config does. */
function foundTier(place: FilePlace): Tier {
  const device = place.device === undefined ? {} : { device: place.device }
  switch (place.kind) {
    case 'filesystem': {
      const { mountPoint, filesystem, source } = place
      const mount = place.device === undefined ? { mount: { point: mountPoint, source } } : {}
      const rest = { directory: mountPoint, filesystem, ...device, ...mount }
      return { name: mountPoint, kind: 'directory', found: true, ...rest }
    }
    case 'volume': {
      const { group, thinPool } = place
      const target = thinPool === undefined ? group : `${group}/${thinPool}`
      const volumeGroup = { name: group, ...(thinPool === undefined ? {} : { thinPool }) }
      const rest = { target, volumeGroup, ...device }
      return { name: `/dev/${target}`, kind: 'volumeGroup', found: true, ...rest }
    }
    case 'device': {
      const { path, sizeBytes } = place
      return { name: path, kind: 'device', found: true, target: path, sizeBytes, ...device }
    }
  }
}
