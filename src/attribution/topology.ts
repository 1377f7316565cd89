import type { Mount } from '../source/mounts.ts'
import type { BlockDevice } from '../source/sysfs.ts'

/** A block device in its stack. */
export interface StackedDevice extends BlockDevice {
  /** What it stands on, the disk under a loop device's file included. */
  parents: string[]
  /** At the bottom: a transaction summed over leaves is counted once. */
  leaf: boolean
}

/** Joins loop devices to the disk that holds their file, and marks the bottom of every stack. */
export function stackDevices(
  devices: readonly BlockDevice[],
  mounts: readonly Mount[],
): StackedDevice[] {
  const byNumber = new Map(
    devices.map((device) => [`${device.major}:${device.minor}`, device.name]),
  )
  return devices.map((device) => {
    const under =
      device.backingFile && byNumber.get(mountOf(device.backingFile, mounts)?.device ?? '')
    const parents = under ? [...device.parents, under] : device.parents
    return { ...device, parents, leaf: parents.length === 0 }
  })
}

function mountOf(file: string, mounts: readonly Mount[]): Mount | undefined {
  return mounts
    .filter(({ mountPoint }) => mountPoint === '/' || file.startsWith(`${mountPoint}/`))
    .reduce<Mount | undefined>(
      (best, mount) => (!best || mount.mountPoint.length >= best.mountPoint.length ? mount : best),
      undefined,
    )
}
