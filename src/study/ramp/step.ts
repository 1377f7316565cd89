import { setTimeout as sleep } from 'node:timers/promises'
import { launchVm } from '../../guest/launch.ts'
import { driveId, type VmPlan } from '../../guest/plan.ts'
import type { RunningVm, VmListener } from '../../guest/running-vm.ts'
import { KvmioError, messageOf } from '../../lib/errors.ts'
import { formatBytes } from '../../lib/quantities.ts'
import type { StudyContext } from '../context.ts'
import { giveBackFunctions, takeFunctions } from '../functions.ts'
import { settleAfter, settleBefore } from '../host-state.ts'
import { createImages, createShared, removeImages } from '../images.ts'
import { mean } from '../load-window.ts'
import { steadyState, WINDOWS } from '../statistics/steady-state.ts'
import { hasTrend } from '../statistics/trend.ts'
import { type HostLimits, isShort } from './host.ts'
import { type DeviceFigures, deviceFigures, type HoldFigures, StepRecorder } from './recorder.ts'

/** How the vms of a step are started and watched. All but `start` in seconds. */
export interface StepSettings {
  /** One after another, or all at once. */
  start: 'staggered' | 'storm'
  /** How long all vms must have been at work before they are judged; as long again where they are not steady. */
  settle: number
  hold: number
  window: number
  target: number
}

export interface StepTask {
  tier: string
  plans: readonly VmPlan[]
  settings: StepSettings
  limits: HostLimits
  hostCache: 'warm' | 'cold'
}

/** What a step came to, as the journal keeps it. */
export interface StepFigures extends Partial<HoldFigures> {
  device?: DeviceFigures
  /** Seconds from the first start until the last vm was at work. */
  ready?: number
  /** Whether the vms' queue no longer moved, but by chance, when they began to be judged. */
  steady?: boolean
  /** Bytes of the host's memory that one vm took, on average. */
  memory?: number
  /** How often a vm had done all of its workload and was started again. */
  again?: number
  /** The limit of the host that was exceeded: the step says nothing of the tier. */
  limit?: 'cpu' | 'memory'
  /** Why the step is void. */
  reason?: string
}

interface StepMember {
  plan: VmPlan
  vm?: RunningVm
  /** It has begun with what its workload is about, once. */
  atWork: boolean
  /** How often it was started again. */
  again: number
}

const POLL_MS = 500
// A guest's boot under TCG takes a processor for three seconds.
const STAGGER_SECONDS = 1.5
/** What a guest does before its workload's own phase. */
const BEGINNINGS = ['boot', 'prepare']
const READY_SECONDS = 600

/**
 * Starts the vms, waits until all of them work and are steady, watches them for as long as they are held, and ends them. A
 * vm that has done its workload is started again. Throws only what the signal gives: what else goes wrong makes it void.
 */
export async function runStep(
  task: StepTask,
  context: StudyContext,
  signal: AbortSignal,
): Promise<StepFigures> {
  const { plans, settings } = task
  const ending = new AbortController()
  const stopped = AbortSignal.any([signal, ending.signal])
  const members = plans.map((plan): StepMember => ({ plan, atWork: false, again: 0 }))
  const running: Promise<void>[] = []
  try {
    await prepare(task, context, signal)
    const began = performance.now()
    const failed = Promise.withResolvers<never>()
    failed.promise.catch(() => {}) // it may come when nobody waits any more
    for (const [index, member] of members.entries()) {
      const delay = settings.start === 'storm' ? 0 : index * STAGGER_SECONDS
      running.push(keepRunning(member, delay, context, stopped).catch(failed.reject))
    }
    const watched = watch(task, members, began, context, stopped)
    watched.catch(() => {})
    return await Promise.race([watched, failed.promise])
  } catch (error) {
    signal.throwIfAborted()
    const reason = messageOf(error)
    return error instanceof MemoryError ? { reason, limit: 'memory' } : { reason }
  } finally {
    ending.abort('the step has ended')
    await Promise.all(running)
    await settleAfter(plans, context).catch(() => {}) // the next step's images are new ones
    await removeImages(plans, context)
    await giveBackFunctions(plans, context)
  }
}

async function prepare(
  { plans, hostCache }: StepTask,
  context: StudyContext,
  signal: AbortSignal,
): Promise<void> {
  await createShared(plans, context, signal)
  for (const plan of plans) {
    await createImages(plan, context, signal)
    await takeFunctions(plan, context)
  }
  await settleBefore(plans, hostCache, context, signal)
}

/** Runs a vm, again and again, until it is stopped; throws when it fails. */
async function keepRunning(
  member: StepMember,
  delaySeconds: number,
  context: StudyContext,
  stopped: AbortSignal,
): Promise<void> {
  const { plan } = member
  const stop = () => void member.vm?.stop('the step has ended')
  stopped.addEventListener('abort', stop, { once: true })
  try {
    await sleep(delaySeconds * 1000, undefined, { signal: stopped }).catch(() => {})
    while (!stopped.aborted) {
      member.vm = await launchVm(plan, context.vm, listenerOf(member, context))
      context.registry.add(member.vm)
      if (stopped.aborted) stop() // while it was being started
      const { outcome, reason } = await member.vm.finished
      context.registry.ended(member.vm.identity, outcome)
      if (stopped.aborted) return
      if (outcome !== 'passed') throw new KvmioError(reason ?? `vm ${plan.name} did not pass`)
      await removeImages([plan], context)
      await createImages(plan, context, stopped)
      member.again += 1
    }
  } catch (error) {
    if (!stopped.aborted) throw error
  } finally {
    stopped.removeEventListener('abort', stop)
  }
}

/** Nothing of a step's vms outlives this kvmio: a ramp that was killed is not taken up. */
function listenerOf(member: StepMember, context: StudyContext): VmListener {
  return {
    started() {},
    booted() {},
    result() {},
    phases(_, phases) {
      if (phases.some(({ phase }) => !BEGINNINGS.includes(phase))) member.atWork = true
    },
    async ended() {
      if (member.vm) await context.takeLast(member.vm.record)
    },
  }
}

async function watch(
  task: StepTask,
  members: readonly StepMember[],
  began: number,
  context: StudyContext,
  signal: AbortSignal,
): Promise<StepFigures> {
  const { tier, plans, settings } = task
  await untilAtWork(task, members, began, context, signal)
  const ready = (performance.now() - began) / 1000
  const steady = await settle(task, context, signal)
  const recorder = new StepRecorder(tier, recordedVms(task))
  const device = context.tier(tier)?.tier.device
  const [before, from] = [await context.devices(), performance.now()]
  const unsubscribe = context.onSecond((second) => recorder.take(second))
  try {
    await hold(settings.hold, task, context, signal)
  } finally {
    unsubscribe()
  }
  const seconds = (performance.now() - from) / 1000
  const figures = recorder.figures(settings)
  const ofDevice = deviceFigures(device, before, await context.devices(), seconds)
  const again = members.reduce((sum, member) => sum + member.again, 0)
  return {
    ...figures,
    ready,
    steady,
    ...(ofDevice && { device: ofDevice }),
    ...memoryOf(plans, context),
    ...(again > 0 && { again }),
    ...((figures.cpu?.busy ?? 0) > task.limits.cpuCap && { limit: 'cpu' as const }),
  }
}

async function untilAtWork(
  task: StepTask,
  members: readonly StepMember[],
  began: number,
  context: StudyContext,
  signal: AbortSignal,
): Promise<void> {
  const isReady = ({ atWork, vm, plan }: StepMember) => atWork || (vm && plan.mayBeSilent)
  for (;;) {
    const late = members.find((member) => !isReady(member))
    if (!late) return
    const seconds = (performance.now() - began) / 1000
    if (seconds > READY_SECONDS + members.length * STAGGER_SECONDS) {
      throw new KvmioError(`vm ${late.plan.name} was not at work after ${Math.round(seconds)} s`)
    }
    await checkMemory(task, context)
    await sleep(POLL_MS, undefined, { signal })
  }
}

/** Whether they are steady at the end: they are waited for once more where they are not. */
async function settle(
  task: StepTask,
  context: StudyContext,
  signal: AbortSignal,
): Promise<boolean> {
  const { settle: seconds } = task.settings
  const round = Math.max(1, seconds / WINDOWS)
  const recorder = new StepRecorder(task.tier, recordedVms(task))
  const unsubscribe = context.onSecond((second) => recorder.take(second))
  const rounds: number[] = []
  try {
    for (let waited = 0; waited < 2 * seconds; waited += round) {
      await hold(round, task, context, signal)
      rounds.push(recorder.queue(Math.round(round)))
      if (waited + round >= seconds && isSteady(rounds)) return true
    }
    return false
  } finally {
    unsubscribe()
  }
}

function isSteady(rounds: readonly number[]): boolean {
  return steadyState(rounds)?.steady === true || hasTrend(rounds) === false
}

/** Waits, as long as the host's memory lasts. */
async function hold(
  seconds: number,
  task: StepTask,
  context: StudyContext,
  signal: AbortSignal,
): Promise<void> {
  const until = performance.now() + seconds * 1000
  for (let left = seconds * 1000; left > 0; left = until - performance.now()) {
    await sleep(Math.min(POLL_MS, left), undefined, { signal })
    await checkMemory(task, context)
  }
}

/** That the host's memory gives out, which the vms end for. */
export class MemoryError extends KvmioError {
  override name = 'MemoryError'
}

async function checkMemory({ limits }: StepTask, context: StudyContext): Promise<void> {
  const memory = await context.memory()
  if (!isShort(memory, limits)) return
  const left = formatBytes(memory.availableBytes ?? 0)
  throw new MemoryError(`the host had ${left} of memory left`)
}

function recordedVms({ tier, plans }: StepTask) {
  return plans.map(({ name, drives }) => ({
    name,
    drives: drives.filter((drive) => drive.tier === tier).map(driveId),
  }))
}

function memoryOf(
  plans: readonly VmPlan[],
  { memoryOf }: StudyContext,
): Pick<StepFigures, 'memory'> {
  const known = plans.flatMap(({ name }) => memoryOf(name) ?? [])
  return known.length === 0 ? {} : { memory: mean(known) }
}
