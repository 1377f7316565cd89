import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isOwnInstaller } from '../config/install-rules.ts'
import { passedThrough } from '../config/passthrough.ts'
import { placementProblem } from '../config/placement.ts'
import type { GuestConfig, StudyConfig } from '../config/schema.ts'
import { withWorkloadText } from '../config/workload-text.ts'
import { recordStart, type UnfinishedRun } from '../journal/runs.ts'
import {
  type BlockRow,
  casesDone,
  endBlock,
  openBlock,
  recordStudy,
  type StudyRow,
} from '../journal/studies.ts'
import { KvmioError } from '../lib/errors.ts'
import { coldProblem } from '../storage/host-cache.ts'
import { readTierFacts } from '../storage/tier-facts.ts'
import type { OpenTier } from '../storage/tiers.ts'
import type { StudyContext } from './context.ts'
import type { RunSummary } from './event.ts'
import { withFunctions } from './functions.ts'
import { type CasePlan, planCases, shuffled, tiersOf } from './plan.ts'
import { resumeRun, startRun } from './run.ts'
import { spaceProblem } from './space.ts'
import { systemSource, withSystem } from './system-source.ts'
import { planVms } from './vm-plans.ts'

export interface StudyTask {
  name: string
  study: StudyConfig
  guest: GuestConfig
  /** Of what the study and its guest say. */
  hash: string
  /** How many blocks at the most; the study's own number, or no end when it is continuous. */
  blocks?: number
}

export interface StudySummary {
  runs: RunSummary[]
  skipped: { case: string; reason: string }[]
}

/** Runs a study block by block, each case once a block in random order, until its blocks are done or the signal comes. */
export async function runStudy(
  task: StudyTask,
  context: StudyContext,
  signal: AbortSignal,
): Promise<StudySummary> {
  const { name, study, guest, hash } = task
  const { journal, onEvent } = context
  const cold = await coldProblem(context.vm.procRoot)
  const cases: CasePlan[] = []
  for (const planned of planCases(study, guest)) {
    const resolved = { ...planned, study: await withWorkloadText(name, planned.study) }
    const point = await withHost(resolved, cold, context)
    cases.push(await withSystem(await withFunctions(point, context), context, signal))
  }
  const skipped = cases.flatMap(({ name, skip }) =>
    skip === undefined ? [] : [{ case: name, reason: skip }],
  )
  const runnable = cases.filter(({ skip }) => skip === undefined)
  const row = recordStudy(journal, {
    name,
    hash,
    config: { study, guest },
    seed: study.seed ?? randomInt(2 ** 31),
  })
  onEvent({
    type: 'study',
    study: name,
    cases: runnable.map(({ name }) => name),
    skipped,
    vms: Math.max(...cases.map(({ study }) => study.vms)),
  })
  if (runnable.length === 0) throw new KvmioError(nothingToRun(name, skipped))
  const problem = await spaceProblem(runnable, context.tier)
  if (problem !== undefined) throw new KvmioError(`study ${name}: ${problem}`)
  const runs: RunSummary[] = []
  const blocks =
    task.blocks ?? (study.schedule === 'continuous' ? Number.POSITIVE_INFINITY : study.blocks)
  for (let count = 0; count < blocks && !signal.aborted; count++) {
    if (count > 0) await rest(study.pause, signal)
    // Two executions of one study take turns, block by block: their vms have the same names.
    using _turn = await takeTurn(name, context, signal)
    runs.push(...(await runBlock(task, row, runnable, context, signal)))
  }
  return { runs, skipped }
}

/** Takes up a run that a killed kvmio left behind, under the lease of its tiers. */
export async function takeUpRun(
  unfinished: UnfinishedRun,
  tiers: readonly string[],
  context: StudyContext,
  signal: AbortSignal,
): Promise<RunSummary> {
  using _lease = await context.leases.acquire([...tiers], `study ${unfinished.study}`, signal)
  const { study, caseName, block, id } = unfinished
  context.onEvent({ type: 'run-started', study, case: caseName, block, run: id, done: 0, of: 1 })
  const summary = await resumeRun(unfinished, context, signal)
  context.onEvent({ type: 'run-ended', ...summary })
  return summary
}

async function runBlock(
  { name, study }: StudyTask,
  row: StudyRow,
  cases: readonly CasePlan[],
  context: StudyContext,
  signal: AbortSignal,
): Promise<RunSummary[]> {
  const block = openBlock(context.journal, row.id)
  const done = casesDone(context.journal, block.id)
  const order = shuffled(cases, row.seed, block.number)
  const runs: RunSummary[] = []
  for (const point of order) {
    if (done.has(point.name)) continue
    if (signal.aborted) return runs
    if (runs.length > 0) await rest(study.pause, signal)
    const summary = await runCase(
      name,
      point,
      block,
      { done: done.size, of: order.length },
      context,
      signal,
    )
    if (summary) runs.push(summary)
    if (summary && summary.outcome !== 'abandoned') done.add(point.name)
  }
  if (signal.aborted) return runs
  endBlock(context.journal, block.id)
  context.onEvent({ type: 'block-ended', study: name, block: block.number })
  return runs
}

/** Undefined when the signal came before it had begun. */
async function runCase(
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
    const plans = planVms(studyName, point, {
      stateDir: context.stateDir,
      locate: (tier, ...drive) => openTier(tier, context).locate(...drive),
      accelerator: await context.accelerator(point.guest),
      appliance: point.guest.system === 'appliance' ? await context.appliance() : undefined,
      packageDrive: await packageDriveOf(point, context),
      source: await systemSource(point.guest, context, signal),
      cgroup: context.cgroup,
      runAs: context.runAs,
    })
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

/** Only the built-in installer needs one. */
async function packageDriveOf(
  { study: { workload } }: CasePlan,
  context: StudyContext,
): Promise<string | undefined> {
  if (workload.kind !== 'install' || isOwnInstaller(workload)) return undefined
  return await context.packageDrive(workload.packages ?? 'minbase')
}

/** What the run's figures depend on, beside its plan. */
async function manifestOf(guest: GuestConfig, context: StudyContext): Promise<unknown> {
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

/**
 * What this host lacks for a case is the case's reason to be skipped: it is neither passed nor failed. `cold` is why
 * the host's page cache cannot be emptied.
 */
async function withHost(
  point: CasePlan,
  cold: string | undefined,
  context: StudyContext,
): Promise<CasePlan> {
  if (point.skip !== undefined) return point
  if (point.study.hostCache === 'cold' && cold !== undefined) return { ...point, skip: cold }
  const lack = await context.lack(point.guest, point.study)
  if (lack !== undefined) return { ...point, skip: lack }
  const placement = placementProblem(
    point.guest,
    point.study.vms,
    (name) => context.tier(name)?.config,
  )
  if (placement !== undefined) return { ...point, skip: placement }
  for (const name of tiersOf(point.guest)) {
    const unavailable = context.tier(name)?.tier.unavailable
    if (unavailable !== undefined)
      return { ...point, skip: `tier ${name} is unavailable: ${unavailable}` }
  }
  return point
}

async function takeTurn(
  study: string,
  { leases, onEvent }: StudyContext,
  signal: AbortSignal,
): Promise<Disposable> {
  const turn = `study ${study}`
  if (leases.holderOf(turn))
    onEvent({ type: 'waiting', study, for: `the block of ${study} that runs now` })
  return await leases.acquire([turn], turn, signal)
}

async function rest(seconds: number, signal: AbortSignal): Promise<void> {
  await sleep(seconds * 1000, undefined, { signal }).catch(() => {})
}

function nothingToRun(study: string, skipped: readonly { case: string; reason: string }[]): string {
  const reasons = skipped.map(({ case: name, reason }) => `\n  ${name}: ${reason}`).join('')
  return `study ${study}: none of its cases can run on this host:${reasons}`
}
