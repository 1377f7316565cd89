import { placementProblem } from '../config/placement.ts'
import { withWorkloadText } from '../config/workload-text.ts'
import { coldProblem } from '../storage/host-cache.ts'
import type { StudyContext } from './context.ts'
import { withFunctions } from './functions.ts'
import { type CasePlan, planCases, tiersOf } from './plan.ts'
import type { StudyTask } from './runner.ts'
import { withSystem } from './system-source.ts'

/** The cases of a study on this host: what it lacks for one is that case's reason to be skipped. */
export async function casesHere(
  { name, study, guest }: StudyTask,
  context: StudyContext,
  signal: AbortSignal,
): Promise<CasePlan[]> {
  const cold = await coldProblem(context.vm.procRoot)
  const cases: CasePlan[] = []
  for (const planned of planCases(study, guest)) {
    const resolved = { ...planned, study: await withWorkloadText(name, planned.study) }
    const point = await withHost(resolved, cold, context)
    cases.push(await withSystem(await withFunctions(point, context), context, signal))
  }
  return cases
}

/** Those whose names match a pattern, in which * stands for any characters. */
export function matching(cases: readonly CasePlan[], pattern: string | undefined): CasePlan[] {
  if (pattern === undefined) return [...cases]
  const parts = pattern.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'))
  const regex = new RegExp(`^${parts.join('.*')}$`)
  return cases.filter(({ name }) => regex.test(name))
}

/** It is neither passed nor failed. `cold` is why the host's page cache cannot be emptied. */
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
