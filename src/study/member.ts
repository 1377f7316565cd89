import type { VmPlan } from '../guest/plan.ts'
import { OFF, type RunningVm, type VmEnd, type VmListener } from '../guest/running-vm.ts'
import type { Outcome, PhaseRow, UnfinishedVm } from '../journal/runs.ts'
import { vmBooted, vmEnded, vmPhases, vmResult, vmStarted } from '../journal/vms.ts'
import type { StudyContext } from './context.ts'

/** What a run is called in the journal and in events. */
export interface RunIdentity {
  study: string
  case: string
  block: number
  run: number
}

/** One vm of a run, with what has become of it. */
export interface Member {
  /** In the journal. */
  id: number
  plan: VmPlan
  vm?: RunningVm
  end?: VmEnd
  phases: PhaseRow[]
}

/** One that a killed kvmio has left. */
export function memberOf({ id, plan, outcome, phases }: UnfinishedVm): Member {
  return { id, plan: plan as VmPlan, end: outcome && { outcome }, phases: [...phases] }
}

/** Writes down what a vm tells, and tells it on. */
export function listenerOf(
  member: Member,
  identity: RunIdentity,
  context: StudyContext,
): VmListener {
  const { journal, onEvent } = context
  return {
    started: ({ pid, startTicks }) => vmStarted(journal, member.id, pid, startTicks),
    booted: (bootTime) => vmBooted(journal, member.id, bootTime),
    result: ({ name, content }) => vmResult(journal, member.id, name, content),
    phases(offset, phases) {
      vmPhases(journal, member.id, offset, phases)
      member.phases.push(...phases)
      for (const { phase, uptime } of phases) {
        onEvent({ type: 'phase', study: identity.study, vm: member.plan.name, phase, uptime })
      }
    },
    async ended(end) {
      if (member.vm) await context.takeLast(member.vm.record)
      vmEnded(journal, member.id, end.outcome, end.reason, end.lastSample)
    },
  }
}

/** How a run went, and why it did not pass. */
export interface RunVerdict {
  outcome: Outcome
  reason?: string
}

/** As badly as the worst of its vms. */
export function verdictOf(members: readonly Member[]): RunVerdict {
  const ends = members.map(({ end }) => end ?? { outcome: 'abandoned' as const })
  const worst =
    ends.find(({ outcome }) => outcome === 'failed') ??
    ends.find(({ outcome }) => outcome === 'abandoned')
  return worst ? { outcome: worst.outcome, reason: worst.reason } : { outcome: 'passed' }
}

/** Seconds by phase, in order: the slowest vm. */
export function slowestPhases(members: readonly Member[]): Record<string, number> {
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
