import { CACHE_MODES } from '../guest/cache-mode.ts'
import { adoptVm, launchVm } from '../guest/launch.ts'
import { type DrivePlan, identityOf, type VmPlan } from '../guest/plan.ts'
import { OFF, type RunningVm, type VmEnd, type VmListener } from '../guest/running-vm.ts'
import type { Outcome, PhaseRow, UnfinishedRun, UnfinishedVm } from '../journal/journal.ts'
import { KvmioError, messageOf } from '../lib/errors.ts'
import { createBacking } from '../storage/backing.ts'
import { drain } from '../storage/drain.ts'
import { createImage } from '../storage/image.ts'
import { giveBackFunction, takeFunction } from '../storage/passthrough.ts'
import type { OpenTier } from '../storage/tiers.ts'
import type { StudyContext } from './context.ts'
import type { RunSummary } from './event.ts'
import { LoadRecorder } from './load-recorder.ts'

/** What a run is called in the journal and in events. */
export interface RunIdentity {
  study: string
  case: string
  block: number
  run: number
}

interface Member {
  id: number
  plan: VmPlan
  vm?: RunningVm
  end?: VmEnd
  phases: PhaseRow[]
}

/** Starts the vms of a run that is in the journal, and sees it to its end. */
export async function startRun(
  identity: RunIdentity,
  vms: readonly { id: number; plan: VmPlan }[],
  context: StudyContext,
  signal: AbortSignal,
): Promise<RunSummary> {
  const members: Member[] = vms.map((vm) => ({ ...vm, phases: [] }))
  const shared = makeShared(members, context, signal)
  const launch = async (member: Member): Promise<void> => {
    try {
      await shared
      for (const drive of member.plan.drives) {
        await createImage(tierOf(drive, context), drive, signal)
      }
      for (const drive of member.plan.passthrough ?? []) {
        await takeFunction(drive, member.plan.name, context.functions)
      }
      signal.throwIfAborted()
      member.vm = await launchVm(member.plan, context.vm, listenerOf(member, identity, context))
      context.registry.add(member.vm)
    } catch (error) {
      const outcome = signal.aborted ? 'abandoned' : 'failed'
      member.end = { outcome, reason: signal.aborted ? abandonedBy(signal) : messageOf(error) }
      context.journal.vmEnded(member.id, member.end.outcome, member.end.reason)
      context.registry.ended(identityOf(member.plan), member.end.outcome)
    }
  }
  await Promise.all(members.map(launch))
  return await finishRun(identity, members, context, signal)
}

/** Makes what the vms of a run share: the images under their own. */
async function makeShared(
  members: readonly Member[],
  context: StudyContext,
  signal: AbortSignal,
): Promise<void> {
  for (const drive of members[0]?.plan.drives ?? []) {
    await createBacking(tierOf(drive, context), drive, signal)
  }
}

function tierOf({ name, tier }: DrivePlan, context: StudyContext): OpenTier {
  const open = context.tier(tier)
  if (!open) throw new KvmioError(`tier ${tier} of drive ${name} is not there`)
  return open
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
  const { id: run, study, block, caseName } = unfinished
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
  return await finishRun(identity, members, context, signal)
}

function memberOf({ id, plan, outcome, phases }: UnfinishedVm): Member {
  return { id, plan: plan as VmPlan, end: outcome && { outcome }, phases: [...phases] }
}

/** Waits for every vm, and for the device to have what they wrote; then the run has ended. */
async function finishRun(
  identity: RunIdentity,
  members: readonly Member[],
  context: StudyContext,
  signal: AbortSignal,
): Promise<RunSummary> {
  const stopAll = (reason: string) => Promise.all(members.map(({ vm }) => vm?.stop(reason)))
  const onAbort = () => void stopAll(abandonedBy(signal))
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  const recorder = new LoadRecorder(members, context)
  try {
    // One vm that fails or cannot be had ends the run: what the others measure is no longer the case that was planned.
    const failed = members.find(({ end }) => end && end.outcome !== 'passed')
    if (failed) await stopAll(`vm ${failed.plan.name} did not run`)
    await Promise.all(members.map((member) => waitFor(member, context, stopAll)))
    await drainTiers(members, context, signal)
  } finally {
    signal.removeEventListener('abort', onAbort)
    recorder.stop()
    await removeImages(members, context)
    await giveBackFunctions(members, context)
  }
  const { outcome, reason } = verdictOf(members)
  context.journal.endRun(identity.run, outcome, reason)
  return { ...identity, outcome, reason, phases: slowestPhases(members), ...recorder.summary() }
}

/** The written data on its device; a tier that cannot say so costs no more than a warning. */
async function drainTiers(
  members: readonly Member[],
  context: StudyContext,
  signal: AbortSignal,
): Promise<void> {
  const { vm, tier } = context
  const drives = members.flatMap(({ plan }) => plan.drives)
  const directories = [
    ...new Set(drives.map((drive) => tier(drive.tier)?.tier.directory ?? '')),
  ].filter(Boolean)
  const hostCached = drives.some(({ cache }) => !CACHE_MODES[cache].direct)
  try {
    await drain({ directories, hostCached, procRoot: vm.procRoot, signal })
  } catch (error) {
    vm.log.warn({ err: error }, 'the run ends before its data was on the device')
  }
}

/** An image that cannot be removed, on a disk that has died, must not cost the run its end in the journal. */
async function removeImages(members: readonly Member[], { vm, tier }: StudyContext): Promise<void> {
  for (const drive of members.flatMap(({ plan }) => plan.drives)) {
    for (const { backend } of [drive, ...drive.backing.toReversed()]) {
      await tier(drive.tier)
        ?.release(backend)
        .catch((error) => vm.log.warn({ err: error }, 'an image stays'))
    }
  }
}

/** To the driver that had them. What cannot be given back now is so when kvmio starts next, or by `kvmio clean`. */
async function giveBackFunctions(
  members: readonly Member[],
  { vm, functions }: StudyContext,
): Promise<void> {
  for (const { pci } of members.flatMap(({ plan }) => plan.passthrough ?? [])) {
    await giveBackFunction(pci, functions).catch((error) =>
      vm.log.error({ err: error }, `${pci} is not given back to its driver`),
    )
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

function listenerOf(member: Member, identity: RunIdentity, context: StudyContext): VmListener {
  const { journal, onEvent } = context
  return {
    started: ({ pid, startTicks }) => journal.vmStarted(member.id, pid, startTicks),
    booted: (bootTime) => journal.vmBooted(member.id, bootTime),
    phases(offset, phases) {
      journal.vmPhases(member.id, offset, phases)
      member.phases.push(...phases)
      for (const { phase, uptime } of phases) {
        onEvent({ type: 'phase', study: identity.study, vm: member.plan.name, phase, uptime })
      }
    },
    async ended(end) {
      if (member.vm) await context.takeLast(member.vm.record)
      journal.vmEnded(member.id, end.outcome, end.reason, end.lastSample)
    },
  }
}

function verdictOf(members: readonly Member[]): { outcome: Outcome; reason?: string } {
  const ends = members.map(({ end }) => end ?? { outcome: 'abandoned' as const })
  const worst =
    ends.find(({ outcome }) => outcome === 'failed') ??
    ends.find(({ outcome }) => outcome === 'abandoned')
  return worst ? { outcome: worst.outcome, reason: worst.reason } : { outcome: 'passed' }
}

function slowestPhases(members: readonly Member[]): Record<string, number> {
  const slowest: Record<string, number> = {}
  for (const { phases } of members) {
    for (const [index, { phase, uptime }] of phases.entries()) {
      const next = phases[index + 1]
      if (phase === OFF || !next) continue
      slowest[phase] = Math.max(slowest[phase] ?? 0, next.uptime - uptime)
    }
  }
  return slowest
}

function abandonedBy(signal: AbortSignal): string {
  return `ended by ${typeof signal.reason === 'string' ? signal.reason : 'the user'}`
}
