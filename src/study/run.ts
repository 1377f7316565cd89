import { setTimeout as sleep } from 'node:timers/promises'
import type { StudyConfig } from '../config/schema.ts'
import { fioSummary } from '../guest/fio-summary.ts'
import { adoptVm, launchVm } from '../guest/launch.ts'
import { identityOf, type VmPlan } from '../guest/plan.ts'
import type { VmEnd } from '../guest/running-vm.ts'
import { recordBaseline, recordEnd, type UnfinishedRun } from '../journal/runs.ts'
import { runResults, vmEnded } from '../journal/vms.ts'
import { messageOf } from '../lib/errors.ts'
import { trim } from '../storage/trim.ts'
import { type Baseline, takeBaseline } from './baseline.ts'
import type { StudyContext } from './context.ts'
import type { RunSummary } from './event.ts'
import { type Conclusion, conclude } from './findings.ts'
import { giveBackFunctions, takeFunctions } from './functions.ts'
import { settleAfter, settleBefore } from './host-state.ts'
import { createImages, createShared, keepImage, removeImages } from './images.ts'
import { LoadRecorder } from './load-recorder.ts'
import {
  listenerOf,
  type Member,
  memberOf,
  type RunIdentity,
  type RunVerdict,
  slowestPhases,
  verdictOf,
} from './member.ts'
import { tierNamesOf } from './neighbours.ts'
import { type SampledRun, SampleRecorder } from './sample-recorder.ts'

/** What a run does beside what its vms' plans say. */
export type RunSettings = Pick<
  StudyConfig,
  'stagger' | 'hostCache' | 'workload' | 'neighbours' | 'pause'
>

/** Starts the vms of a run that is in the journal, and sees it to its end. */
export async function startRun(
  identity: RunIdentity,
  { startedAt, vms }: { startedAt: number; vms: readonly { id: number; plan: VmPlan }[] },
  settings: RunSettings,
  context: StudyContext,
  signal: AbortSignal,
): Promise<RunSummary> {
  const members: Member[] = vms.map((vm) => ({ ...vm, phases: [] }))
  const plans = vms.map(({ plan }) => plan)
  const given = (error: unknown): VmEnd =>
    signal.aborted
      ? { outcome: 'abandoned', reason: abandonedBy(signal) }
      : { outcome: 'failed', reason: messageOf(error) }
  await trimTiers(plans, context)
  // All images first, so that the making of one is no load beside another's guest.
  const shared = createShared(plans, context, signal)
  const made = members.map(async (member) => {
    try {
      await shared
      await createImages(member.plan, context, signal)
      await takeFunctions(member.plan, context)
    } catch (error) {
      endUnstarted(member, given(error), context)
    }
  })
  await Promise.all(made)
  let baseline: Baseline | undefined
  if (members.every(({ end }) => !end)) {
    try {
      await settleBefore(plans, settings.hostCache, context, signal)
      baseline = await takeBaseline(plans, settings, context, signal)
      recordBaseline(context.journal, identity.run, baseline)
    } catch (error) {
      for (const member of members) endUnstarted(member, given(error), context)
    }
  }
  const begun = { members, baseline, startedAt }
  return await finishRun(identity, begun, context, signal, async (member, stopped) => {
    try {
      const delayMs = members.indexOf(member) * settings.stagger * 1000
      if (delayMs > 0) await sleep(delayMs, undefined, { signal: stopped })
      stopped.throwIfAborted()
      member.vm = await launchVm(member.plan, context.vm, listenerOf(member, identity, context))
      context.registry.add(member.vm)
    } catch (error) {
      const end: VmEnd = stopped.aborted
        ? { outcome: 'abandoned', reason: stopped.reason }
        : { outcome: 'failed', reason: messageOf(error) }
      endUnstarted(member, end, context)
    }
  })
}

async function trimTiers(plans: readonly VmPlan[], { tier, vm }: StudyContext): Promise<void> {
  for (const name of tierNamesOf(plans)) {
    const open = tier(name)
    if (open) await trim(open, vm.log)
  }
}

/** That a vm could not be had, or was not wanted any more, is how it went. */
function endUnstarted(member: Member, end: VmEnd, { journal, registry }: StudyContext): void {
  member.end = end
  vmEnded(journal, member.id, end.outcome, end.reason)
  registry.ended(identityOf(member.plan), end.outcome)
}

/**
 * Takes up a run that a killed kvmio left behind. Its vms go on as they are; when one of them cannot be taken over the
 * run is abandoned, for it to be done again.
 */
export async function resumeRun(
  unfinished: UnfinishedRun,
  context: StudyContext,
  signal: AbortSignal,
): Promise<RunSummary> {
  const { id: run, study, block, caseName, startedAt } = unfinished
  const baseline = unfinished.baseline as Baseline | undefined
  const identity = { study, block, case: caseName, run }
  const members: Member[] = unfinished.vms.map(memberOf)
  for (const [index, member] of members.entries()) {
    if (member.end) continue
    const { pid, startTicks, bootTime, phaseOffset } = unfinished.vms[index]!
    const listener = listenerOf(member, identity, context)
    const progress = { bootTime, phaseOffset, phases: member.phases }
    member.vm =
      pid === undefined || startTicks === undefined
        ? undefined
        : await adoptVm(member.plan, { pid, startTicks }, context.vm, listener, progress)
    if (member.vm) context.registry.add(member.vm)
    else
      member.end = {
        outcome: 'abandoned',
        reason: `vm ${member.plan.name} was gone when kvmio came back`,
      }
  }
  return await finishRun(identity, { members, baseline, startedAt }, context, signal)
}

/** A run of which all that comes before its vms is there. */
interface BegunRun {
  members: readonly Member[]
  /** Absent when its vms never started, and of a run of an older kvmio. */
  baseline: Baseline | undefined
  /** Unix seconds. */
  startedAt: number
}

/**
 * Begins the vms that have not begun, waits for every one, and for the device to have what they wrote; then the run has
 * ended. `stopped` comes, with the reason, when a vm is no longer to begin.
 */
async function finishRun(
  identity: RunIdentity,
  { members, baseline, startedAt }: BegunRun,
  context: StudyContext,
  signal: AbortSignal,
  begin: (member: Member, stopped: AbortSignal) => Promise<void> = async () => {},
): Promise<RunSummary> {
  const stopping = new AbortController()
  const stopAll = (reason: string) => {
    stopping.abort(reason)
    return Promise.all(members.map(({ vm }) => vm?.stop(reason)))
  }
  const onAbort = () => void stopAll(abandonedBy(signal))
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  const plans = members.map(({ plan }) => plan)
  const recorder = new LoadRecorder(members, context)
  const tellRates = context.onSecond(({ vms }) => {
    const own = plans.flatMap(({ name }) => {
      const rate = vms.get(name)
      return rate === undefined ? [] : [[name, rate] as const]
    })
    context.onEvent({ type: 'second', study: identity.study, vms: Object.fromEntries(own) })
  })
  const samples = new SampleRecorder(sampledRun(identity, plans, startedAt, context), context)
  const seeThrough = async (member: Member): Promise<void> => {
    if (!member.end && !member.vm) await begin(member, stopping.signal)
    if (stopping.signal.aborted) await member.vm?.stop(stopping.signal.reason)
    if (member.end?.outcome === 'failed') await stopAll(`vm ${member.plan.name} did not run`)
    await waitFor(member, context, stopAll)
  }
  let kept: VmEnd | undefined
  let concluded: Conclusion | undefined
  try {
    // One vm that fails or cannot be had ends the run: what the others measure is no longer the case that was planned.
    const failed = members.find(({ end }) => end && end.outcome !== 'passed')
    if (failed) await stopAll(`vm ${failed.plan.name} did not run`)
    await Promise.all(members.map(seeThrough))
    await settleAfter(plans, context).catch((error) => {
      context.vm.log.warn({ err: error }, 'the run ends before its data was on the device')
    })
    samples.stop()
    concluded = await conclude(members, baseline, recorder, context, signal).catch((error) => {
      context.vm.log.warn({ err: error, run: identity.run }, 'what the layers counted is not kept')
      return undefined
    })
    if (concluded?.problem === undefined) kept = await keepPassed(members, signal)
  } finally {
    signal.removeEventListener('abort', onAbort)
    tellRates()
    recorder.stop()
    samples.stop()
    await removeImages(plans, context)
    await giveBackFunctions(plans, context)
  }
  const { outcome, reason } = voidIf(concluded?.problem, kept ?? verdictOf(members))
  const { counts, findings } = concluded ?? {}
  recordEnd(context.journal, identity.run, { outcome, reason, findings, counts })
  return {
    ...identity,
    outcome,
    reason,
    phases: slowestPhases(members),
    ...recorder.summary(),
    cpuBusy: findings?.cpu?.busy,
    fio: fioOf(identity, context),
  }
}

/** A run that passed and whose figures cannot be those of its case is void. */
function voidIf(problem: string | undefined, verdict: RunVerdict): RunVerdict {
  if (problem === undefined || verdict.outcome !== 'passed') return verdict
  return { outcome: 'void', reason: problem }
}

function sampledRun(
  { run: id }: RunIdentity,
  plans: readonly VmPlan[],
  startedAt: number,
  { tier }: StudyContext,
): SampledRun {
  const devices = tierNamesOf(plans).flatMap((name) => tier(name)?.tier.device ?? [])
  return { id, startedAt, vms: plans.map(({ name }) => name), devices: [...new Set(devices)] }
}

/** Keeps the images that are to outlive a run that has passed; one that cannot be kept is how the run went. */
async function keepPassed(
  members: readonly Member[],
  signal: AbortSignal,
): Promise<VmEnd | undefined> {
  if (verdictOf(members).outcome !== 'passed') return undefined
  try {
    for (const { plan } of members) await keepImage(plan, signal)
    return undefined
  } catch (error) {
    return signal.aborted
      ? { outcome: 'abandoned', reason: abandonedBy(signal) }
      : { outcome: 'failed', reason: messageOf(error) }
  }
}

async function waitFor(
  member: Member,
  context: StudyContext,
  stopAll: (reason: string) => unknown,
): Promise<void> {
  if (!member.vm) return
  member.end = await member.vm.finished
  context.registry.ended(member.vm.identity, member.end.outcome)
  if (member.end.outcome === 'failed') await stopAll(`vm ${member.plan.name} failed`)
}

/** What fio said in the run's vms; a result that is none costs no more than a warning. */
function fioOf({ run }: RunIdentity, { journal, vm }: StudyContext): RunSummary['fio'] {
  try {
    return fioSummary(runResults(journal, run, 'fio').map(({ content }) => content))
  } catch (error) {
    vm.log.warn({ err: error }, "fio's result is in the journal and cannot be summed up")
    return undefined
  }
}

function abandonedBy(signal: AbortSignal): string {
  return `ended by ${typeof signal.reason === 'string' ? signal.reason : 'the user'}`
}
