import { vmMemory } from '../../density/memory.ts'
import type { HostMemory } from '../context.ts'

/** What may stop a ramp before the target is broken: the host's memory, processors or space, the time, or what was asked for. */
export const RAMP_BOUNDS = ['latency', 'memory', 'cpu', 'space', 'time', 'max'] as const
export type RampBound = (typeof RAMP_BOUNDS)[number]

/** How far a ramp may fill the host. */
export interface HostLimits {
  /** Share of its processors' time. */
  cpuCap: number
  /** Bytes that stay with the host. */
  memoryReserve: number
}

/** A number of vms that a step must not exceed, and why. */
export interface Room {
  vms: number
  bound: RampBound
}

/** How many vms the host's memory holds while none of the ramp's runs; without end where the kernel does not tell. */
export function memoryRoom(
  { availableBytes }: HostMemory,
  guestBytes: number,
  measuredBytes: number | undefined,
  { memoryReserve }: HostLimits,
): Room {
  if (availableBytes === undefined) return { vms: Number.POSITIVE_INFINITY, bound: 'memory' }
  const each = vmMemory({ configuredBytes: guestBytes, takenBytes: measuredBytes })
  return { vms: Math.max(0, Math.floor((availableBytes - memoryReserve) / each)), bound: 'memory' }
}

/** The least of them; the first one where they are the same. */
export function leastRoom(rooms: readonly [Room, ...Room[]]): Room {
  return rooms.reduce((least, room) => (room.vms < least.vms ? room : least))
}

/** Whether so little is left that vms have to end at once. */
export function isShort({ availableBytes }: HostMemory, { memoryReserve }: HostLimits): boolean {
  return availableBytes !== undefined && availableBytes < memoryReserve / 2
}

/** The most vms from 0 to `most` for which there is room; `fits` never turns from no to yes. */
export async function mostFitting(
  most: number,
  fits: (vms: number) => Promise<boolean>,
): Promise<number> {
  if (await fits(most)) return most
  let [least, tooMany] = [0, most]
  while (tooMany - least > 1) {
    const middle = Math.floor((least + tooMany) / 2)
    if (await fits(middle)) least = middle
    else tooMany = middle
  }
  return least
}
