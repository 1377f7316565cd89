import { join } from 'node:path'
import { passedThrough } from '../../config/passthrough.ts'
import type { GuestConfig, StudyConfig } from '../../config/schema.ts'
import { KvmioError } from '../../lib/errors.ts'
import { placementOf } from '../case-run.ts'
import type { StudyContext } from '../context.ts'
import { type CasePlan, tiersOf } from '../plan.ts'
import { casesHere } from '../runnable.ts'
import type { Learned, PredictedDensity, RampEvent, RampSummary } from './event.ts'
import type { HostLimits } from './host.ts'
import { Ramp } from './ramp.ts'
import type { StepSettings } from './step.ts'

/** A ramp of the vms of a guest on a tier. */
export interface RampTask {
  tier: string
  guest: { name: string; config: GuestConfig }
  /** With the workload of its vms. */
  study: StudyConfig
  /** What the workload is called. */
  workload: string
  settings: StepSettings
  repetitions: number
  /** No step has more vms. */
  max: number
  /** Seconds. */
  timeLimit: number
  seed: number
  limits: HostLimits
  /** How many vms fit, by what was learnt from a few. */
  predict(learned: Learned): Promise<readonly PredictedDensity[]>
}

const MAX_SOCKET_PATH = 107 // sun_path of unix(7), less its ending NUL

/**
 * Finds out how many vms of a guest a tier serves: learns from a few what one asks, writes down what is predicted, and then
 * tries, in each repetition in another order. Under the lease of the guest's tiers.
 */
export async function runRamp(
  task: RampTask,
  context: StudyContext,
  tell: (event: RampEvent) => void,
  signal: AbortSignal,
): Promise<RampSummary> {
  const name = studyName(task.tier)
  using _lease = await lease(task, context, tell, signal)
  const point = await caseOf(task, context, signal)
  checkPaths(task, name, context)
  try {
    const placement = await placementOf(point, context, signal)
    const ramp = new Ramp(task, { name, point, placement }, context, tell, signal)
    return await ramp.run()
  } finally {
    context.registry.forget(name)
  }
}

/** The name that the vms of a tier's ramps have in place of a study's. */
function studyName(tier: string): string {
  return `ramp-${tier}`
}

/** Waits for the guest's tiers, and tells for whom. */
async function lease(
  { guest, tier }: RampTask,
  { leases }: StudyContext,
  tell: (event: RampEvent) => void,
  signal: AbortSignal,
): Promise<Disposable> {
  const functions = passedThrough(guest.config).map(({ pci }) => pci)
  const tiers = [...tiersOf(guest.config), ...functions]
  for (const name of tiers) {
    const holder = leases.holderOf(name)
    if (holder !== undefined) tell({ type: 'waiting', for: `tier ${name}, which ${holder} has` })
  }
  return await leases.acquire(tiers, `ramp of ${guest.name} on ${tier}`, signal)
}

/** The guest as a case of its own, if this host can have it. */
async function caseOf(
  { tier, guest, study }: RampTask,
  context: StudyContext,
  signal: AbortSignal,
): Promise<CasePlan> {
  const name = studyName(tier)
  const [point] = await casesHere({ name, study, guest: guest.config, hash: '' }, context, signal)
  if (!point) throw new TypeError('a ramp was planned without a case')
  if (point.skip !== undefined) {
    throw new KvmioError(`guest ${guest.name} on tier ${tier}: ${point.skip}`)
  }
  return { ...point, name: guest.name }
}

function checkPaths({ guest, max }: RampTask, name: string, { stateDir }: StudyContext): void {
  const socket = join(stateDir, 'vms', `${name}-${guest.name}-${max}`, 'qmp-debug.sock')
  const bytes = Buffer.byteLength(socket)
  if (bytes <= MAX_SOCKET_PATH) return
  throw new KvmioError(
    `${socket}: a unix socket's path has at most ${MAX_SOCKET_PATH} bytes, this one has ${bytes}; choose a shorter "state" in the config`,
  )
}
