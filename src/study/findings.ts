import { layerCounts } from '../guest/layer-counts.ts'
import type { VmPlan } from '../guest/plan.ts'
import type { LayerCount } from '../journal/layer-counts.ts'
import { readTierFacts } from '../storage/tier-facts.ts'
import type { Baseline } from './baseline.ts'
import { cacheDrops, cacheDropsProblem } from './cache-drops.ts'
import {
  type ConservationFinding,
  checkConservation,
  conservationProblem,
  type WrittenDrive,
  type WrittenTier,
} from './conservation.ts'
import type { StudyContext } from './context.ts'
import { type DeviceCounts, deviceLayer } from './device-counts.ts'
import type { LoadRecorder } from './load-recorder.ts'
import type { Member } from './member.ts'
import {
  type NeighbourFinding,
  neighbourProblem,
  quietWindow,
  sharedDevices,
  tierNamesOf,
} from './neighbours.ts'

/** From this share on, processors that are busy are what a run may have measured. */
export const SATURATED = 0.8

/** What was found of the host and the counts at the end of a run, as the journal keeps it. */
export interface RunFindings {
  /** While the vms did what is measured, as shares of the processors' time; absent when they never did. */
  cpu?: { busy: number; stolen?: number; saturated: boolean }
  /** That the devices under its tiers did together in a second, while all vms did what is measured. */
  transactions?: number
  /** Of the devices that others use too. */
  neighbours: NeighbourFinding[]
  conservation: ConservationFinding[]
}

export interface Conclusion {
  counts: LayerCount[]
  findings: RunFindings
  /** Why the run is void. */
  problem?: string
}

/** Counts what each layer did in a run whose vms have ended, and says whether its figures can be those of its case. */
export async function conclude(
  members: readonly Member[],
  baseline: Baseline | undefined,
  recorder: LoadRecorder,
  context: StudyContext,
  signal: AbortSignal,
): Promise<Conclusion> {
  const plans = members.map(({ plan }) => plan)
  const after = await context.devices()
  const counts = [...vmCounts(members, after), ...deviceLayer(baseline?.devices ?? [], after)]
  const neighbours = await findNeighbours(plans, baseline, recorder, context, signal)
  const conservation = baseline
    ? checkConservation(
        writtenDrives(members, counts),
        baseline.workload,
        await tierFacts(plans, context),
        writtenByDevice(counts),
      )
    : []
  const drops = await cacheDrops(plans, context.vm.procRoot)
  const limit = baseline?.neighbours?.limit
  return {
    counts,
    findings: { ...cpuOf(recorder), ...loadOf(recorder), neighbours, conservation },
    problem:
      conservationProblem(conservation) ??
      cacheDropsProblem(baseline?.cacheDrops, drops) ??
      (limit === undefined ? undefined : neighbourProblem(neighbours, limit)),
  }
}

function vmCounts(members: readonly Member[], devices: readonly DeviceCounts[]): LayerCount[] {
  const nameOf = (number: string) => devices.find((device) => device.number === number)?.device
  return members.flatMap(({ id, plan, end }) =>
    end?.lastSample ? layerCounts(id, plan, end.lastSample, nameOf) : [],
  )
}

async function findNeighbours(
  plans: readonly VmPlan[],
  baseline: Baseline | undefined,
  recorder: LoadRecorder,
  context: StudyContext,
  signal: AbortSignal,
): Promise<NeighbourFinding[]> {
  const devices = sharedDevices(tierNamesOf(plans), context.tier)
  // Before the window, which is none of the run.
  const [now, at] = [context.unattributed(), context.vm.now()]
  const seconds = baseline?.neighbours?.seconds ?? 0
  // Whoever gives up waiting here has the run all the same.
  const after = await quietWindow(devices, seconds, context.devices, signal).catch(
    (): Record<string, number> => ({}),
  )
  return devices.map((device) => {
    const [from, to] = [baseline?.unattributed[device], now.get(device)]
    const took = baseline && at - baseline.at
    const finding: NeighbourFinding = { device }
    if (baseline?.quiet[device] !== undefined) finding.before = baseline.quiet[device]
    if (after[device] !== undefined) finding.after = after[device]
    // Less than before: the count is another kvmio's, which began anew.
    if (to !== undefined && took && (from ?? 0) <= to)
      finding.unattributed = (to - (from ?? 0)) / took
    const load = recorder.loadOf(device)
    if (load !== undefined) finding.load = load
    return finding
  })
}

function cpuOf(recorder: LoadRecorder): Pick<RunFindings, 'cpu'> {
  const { busy, stolen } = recorder.cpu
  if (busy === undefined) return {}
  return {
    cpu: { busy, ...(stolen !== undefined && { stolen }), saturated: busy > SATURATED },
  }
}

function loadOf({ load }: LoadRecorder): Pick<RunFindings, 'transactions'> {
  return load === undefined ? {} : { transactions: load }
}

function writtenDrives(members: readonly Member[], counts: readonly LayerCount[]): WrittenDrive[] {
  return members.flatMap(({ id, plan }) =>
    plan.drives.map((drive) => {
      const asked = counts.find(
        ({ layer, vmId, name }) => layer === 'qemu' && vmId === id && name === drive.name,
      )
      return { plan, drive, guestBytes: asked?.writtenBytes, discards: asked?.discards }
    }),
  )
}

function writtenByDevice(counts: readonly LayerCount[]): Map<string, number> {
  return new Map(
    counts.flatMap(({ layer, name, writtenBytes }) =>
      layer === 'device' && writtenBytes !== undefined ? [[name, writtenBytes]] : [],
    ),
  )
}

async function tierFacts(
  plans: readonly VmPlan[],
  context: StudyContext,
): Promise<(name: string) => WrittenTier | undefined> {
  const facts = new Map<string, WrittenTier>()
  for (const name of tierNamesOf(plans)) {
    const open = context.tier(name)
    if (!open) continue
    const { mountOptions } = await readTierFacts(open)
    facts.set(name, { kind: open.tier.kind, device: open.tier.device, mountOptions })
  }
  return (name) => facts.get(name)
}
