import { isOwnInstaller } from '../config/install-rules.ts'
import { passedThrough } from '../config/passthrough.ts'
import type { GuestConfig } from '../config/schema.ts'
import { recordStart } from '../journal/runs.ts'
import type { BlockRow } from '../journal/studies.ts'
import { readTierFacts } from '../storage/tier-facts.ts'
import type { OpenTier } from '../storage/tiers.ts'
import type { StudyContext } from './context.ts'
import type { RunSummary } from './event.ts'
import { type CasePlan, tiersOf } from './plan.ts'
import { startRun } from './run.ts'
import { systemSource } from './system-source.ts'
import { type Placement, planVms } from './vm-plans.ts'

/** Runs one case once, under the lease of its tiers. Undefined when the signal came before it had begun. */
export async function runCase(
  studyName: string,
  point: CasePlan,
  block: BlockRow,
  progress: { done: number; of: number },
  context: StudyContext,
  signal: AbortSignal,
): Promise<RunSummary | undefined> {
  const { journal, onEvent } = context
  const tiers = [...tiersOf(point.guest), ...passedThrough(point.guest).map(({ pci }) => pci)]
  try {
    using _lease = await context.leases.acquire(tiers, `study ${studyName}`, signal)
    const plans = planVms(studyName, point, await placementOf(point, context, signal))
    const {
      id: run,
      startedAt,
      vmIds,
    } = recordStart(journal, {
      blockId: block.id,
      caseName: point.name,
      factors: point.factors,
      manifest: await manifestOf(point.guest, context),
      vms: plans.map((plan) => ({ name: plan.name, plan })),
    })
    const identity = { study: studyName, case: point.name, block: block.number, run }
    onEvent({ type: 'run-started', ...identity, ...progress })
    const vms = plans.map((plan, index) => ({ id: vmIds[index]!, plan }))
    const summary = await startRun(identity, { startedAt, vms }, point.study, context, signal)
    onEvent({ type: 'run-ended', ...summary })
    return summary
  } catch (error) {
    if (signal.aborted) return undefined
    throw error
  }
}

/** What the plans of a case's vms need from this host. */
export async function placementOf(
  point: CasePlan,
  context: StudyContext,
  signal: AbortSignal,
): Promise<Placement> {
  return {
    stateDir: context.stateDir,
    locate: (tier, ...drive) => openTier(tier, context).locate(...drive),
    accelerator: await context.accelerator(point.guest),
    appliance: point.guest.system === 'appliance' ? await context.appliance() : undefined,
    packageDrive: await packageDriveOf(point, context),
    source: await systemSource(point.guest, context, signal),
    cgroup: context.cgroup,
    runAs: context.runAs,
  }
}

/** Only the built-in installer needs one. */
async function packageDriveOf(
  { study: { workload } }: CasePlan,
  context: StudyContext,
): Promise<string | undefined> {
  if (workload.kind !== 'install' || isOwnInstaller(workload)) return undefined
  return await context.packageDrive(workload.packages ?? 'minbase')
}

/** What the run's figures depend on, beside its plan. */
export async function manifestOf(guest: GuestConfig, context: StudyContext): Promise<unknown> {
  const names = tiersOf(guest)
  const facts = names.map(async (name) => [name, await readTierFacts(openTier(name, context))])
  const tiers = Object.fromEntries(await Promise.all(facts))
  return { ...((await context.manifest()) as object), tiers }
}

/** One that the study's cases name: the config has seen to that. */
function openTier(name: string, context: StudyContext): OpenTier {
  const open = context.tier(name)
  if (!open) throw new TypeError(`a case was planned on tier ${name}, which is not there`)
  return open
}
