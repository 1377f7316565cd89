import type { BlockDevice } from '../source/sysfs.ts'
import { placeImage, type StorageFacts } from './images.ts'

/** A block device in its stack. */
export interface StackedDevice extends BlockDevice {
  /** What it stands on, the disk under a loop device's file included. */
  parents: string[]
  /** At the bottom: a transaction summed over leaves is counted once. */
  leaf: boolean
}

/** Joins loop devices to what holds their file, and marks the bottom of every stack. */
export function stackDevices(facts: StorageFacts): StackedDevice[] {
  return facts.devices.map((device) => {
    const under = device.backingFile ? placeImage({ path: device.backingFile }, facts).devices : []
    const parents = [...device.parents, ...under]
    return { ...device, parents, leaf: parents.length === 0 }
  })
}
