import { setTimeout as sleep } from 'node:timers/promises'
import type { StudyConfig } from '../config/schema.ts'
import type { VmPlan } from '../guest/plan.ts'
import type { StudyContext } from './context.ts'
import { type DeviceCounts, transactionsOf } from './device-counts.ts'

// Who else uses a device is told by what it does while no vm of the run does anything. On a device that kvmio made, what
// vms do not account for is overhead: its filesystem's journal, writeback, the emulated disk.

const QUIET_SECONDS = 5

/** How long a shared device is watched for its neighbours before a run, seconds: within the rest, where nobody judges by it. */
export function quietSeconds({
  neighbours,
  pause,
}: Pick<StudyConfig, 'neighbours' | 'pause'>): number {
  return neighbours === undefined ? Math.min(pause, QUIET_SECONDS) : QUIET_SECONDS
}

/** Transactions per second of one device that others use too. */
export interface NeighbourFinding {
  device: string
  /** Before the run's vms started. */
  before?: number
  /** After they had ended. */
  after?: number
  /** Not accounted for by any vm while they ran: neighbours and overhead, which cannot be told apart. */
  unattributed?: number
  /** All of the device's, while the vms did what is measured. */
  load?: number
}

/** The devices under a run's tiers that others may use as well. */
export function sharedDevices(tierNames: readonly string[], tier: StudyContext['tier']): string[] {
  const tiers = tierNames.map((name) => tier(name)?.tier)
  const shared = tiers.filter(
    (found) => found?.kind === 'directory' || found?.kind === 'volumeGroup',
  )
  return [...new Set(shared.flatMap((found) => found?.device ?? []))]
}

/** The tiers that the drives of vms are on. */
export function tierNamesOf(plans: readonly VmPlan[]): string[] {
  return [...new Set(plans.flatMap(({ drives }) => drives.map(({ tier }) => tier)))]
}

/** Transactions per second of the devices over some seconds in which kvmio does nothing on them. */
export async function quietWindow(
  devices: readonly string[],
  seconds: number,
  read: () => Promise<DeviceCounts[]>,
  signal: AbortSignal,
): Promise<Record<string, number>> {
  if (devices.length === 0 || seconds <= 0) return {}
  const [before, began] = [await read(), performance.now()]
  await sleep(seconds * 1000, undefined, { signal })
  const [after, took] = [await read(), (performance.now() - began) / 1000]
  return Object.fromEntries(
    devices.flatMap((device) => {
      const [from, to] = [before, after].map((all) => all.find((each) => each.device === device))
      return from && to ? [[device, (transactionsOf(to) - transactionsOf(from)) / took]] : []
    }),
  )
}

/** Why a run is void whose devices others used by more than `limit` of what the run did; undefined when it is not. */
export function neighbourProblem(
  findings: readonly NeighbourFinding[],
  limit: number,
): string | undefined {
  for (const { device, before = 0, after = 0, load } of findings) {
    const others = Math.max(before, after)
    if (load === undefined || load <= 0 || others / load <= limit) continue
    const when = before >= after ? 'before' : 'after'
    return `neighbours: device ${device} did ${others.toFixed(1)} transactions/s ${when} the run, ${percent(others / load)} of the ${load.toFixed(1)}/s in it; at most ${percent(limit)} may be others'`
  }
  return undefined
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`
}
