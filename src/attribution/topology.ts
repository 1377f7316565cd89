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
  // One that went while the others were read has no line of its own.
  const known = facts.devices.map(({ name, parents }) => {
    return [name, parents.filter((parent) => names.has(parent))] as const
  })
  const under = new Map<string, readonly string[]>(known)
  for (const { name, backingFile } of facts.devices) {
    if (backingFile === undefined) continue
    under.set(name, [...under.get(name)!, ...holdersOf(backingFile, name, under, facts)])
  }
  const leavesOf = (name: string): string[] => {
    const parents = under.get(name) ?? []
    return parents.length === 0 ? [name] : [...new Set(parents.flatMap(leavesOf))]
  }
  return facts.devices.map((device) => {
    const parents = [...(under.get(device.name) ?? [])]
    return { ...device, parents, leaf: parents.length === 0, leaves: leavesOf(device.name) }
  })
}

/**
 * The devices that hold the file of a loop device. What stands on the loop device itself does not: a live system mounts
 * its image over the very folder that the image lies in.
 */
function holdersOf(
  path: string,
  loop: string,
  under: ReadonlyMap<string, readonly string[]>,
  facts: StorageFacts,
): readonly string[] {
  const standsOnLoop = (name: string): boolean =>
    name === loop || (under.get(name) ?? []).some(standsOnLoop)
  let { mounts } = facts
  for (;;) {
    const { mount, devices } = placeImage({ path }, { ...facts, mounts })
    if (!devices.some(standsOnLoop)) return devices
    if (!mount) return []
    mounts = mounts.filter((other) => other !== mount)
  }
}
