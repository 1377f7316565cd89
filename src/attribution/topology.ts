import type { BlockDevice } from '../source/sysfs.ts'
import { placeImage, type StorageFacts } from './images.ts'

/** A block device in its stack. */
export interface StackedDevice extends BlockDevice {
  /** What it stands on, the devices under a loop device's file included. */
  parents: string[]
  /** At the bottom: a transaction summed over leaves is counted once. */
  leaf: boolean
  /** The leaves that it stands on; a leaf stands on itself. */
  leaves: string[]
}

/** Joins loop devices to what holds their file, and finds the bottom of every stack. */
export function stackDevices(facts: StorageFacts): StackedDevice[] {
  const names = new Set(facts.devices.map(({ name }) => name))
  const under = new Map(
    facts.devices.map((device) => {
      // One that went while the others were read has no line of its own.
      const parents = device.parents.filter((parent) => names.has(parent))
      return [device.name, [...parents, ...underFile(device, facts)]]
    }),
  )
  const leavesOf = (name: string): string[] => {
    const parents = under.get(name) ?? []
    return parents.length === 0 ? [name] : [...new Set(parents.flatMap(leavesOf))]
  }
  return facts.devices.map((device) => {
    const parents = under.get(device.name) ?? []
    return { ...device, parents, leaf: parents.length === 0, leaves: leavesOf(device.name) }
  })
}

function underFile({ backingFile }: BlockDevice, facts: StorageFacts): readonly string[] {
  return backingFile === undefined ? [] : placeImage({ path: backingFile }, facts).devices
}
