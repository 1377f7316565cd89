import { passedThrough } from '../config/passthrough.ts'
import type { VmPlan } from '../guest/plan.ts'
import { functionProblem, giveBackFunction, takeFunction } from '../storage/passthrough.ts'
import type { StudyContext } from './context.ts'
import type { CasePlan } from './plan.ts'

/** The case, skipped where this host has not the functions that its guest gets. */
export async function withFunctions(
  point: CasePlan,
  { functions }: StudyContext,
): Promise<CasePlan> {
  if (point.skip !== undefined) return point
  for (const drive of passedThrough(point.guest)) {
    const skip = await functionProblem(drive, functions)
    if (skip !== undefined) return { ...point, skip }
  }
  return point
}

/** Takes the functions that a vm gets whole from this host's drivers. */
export async function takeFunctions(
  { name, passthrough = [] }: VmPlan,
  { functions }: StudyContext,
): Promise<void> {
  for (const drive of passthrough) await takeFunction(drive, name, functions)
}

/** Gives them back. Where that cannot be done now, kvmio does it when it starts next, or `kvmio clean`. */
export async function giveBackFunctions(
  plans: readonly VmPlan[],
  { vm, functions }: StudyContext,
): Promise<void> {
  for (const { pci } of plans.flatMap(({ passthrough = [] }) => passthrough)) {
    await giveBackFunction(pci, functions).catch((error) =>
      vm.log.error({ err: error }, `${pci} is not given back to its driver`),
    )
  }
}
