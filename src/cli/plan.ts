import { loadConfig } from '../config/load.ts'
import { UsageError } from '../lib/errors.ts'
import { formatBytes } from '../lib/quantities.ts'
import { type CasePlan, planCases } from '../study/plan.ts'
import { spaceNeeded } from '../study/space.ts'
import type { CommonOptions } from './options.ts'
import { table } from './table.ts'

export interface PlanOptions extends CommonOptions {
  /** All of the config when none is named. */
  studies: readonly string[]
}

/** Prints what a study would run, without starting anything. */
export async function plan({ configFile, studies: names }: PlanOptions): Promise<void> {
  const { studies, guests, tiers } = await loadConfig(configFile)
  const chosen = names.length > 0 ? names : Object.keys(studies)
  for (const name of chosen) {
    const study = studies[name]
    if (!study) {
      throw new UsageError(
        `no study ${name}; ${configFile} has ${Object.keys(studies).join(', ') || 'none'}`,
      )
    }
    const cases = planCases(study, guests[study.guest]!, tiers)
    const factors = Object.keys(study.factors)
    const rows = cases.map((point) => [
      point.name,
      ...factors.map((factor) => String(point.factors[factor])),
      point.skip === undefined ? '' : `skipped: ${point.skip}`,
    ])
    const blocks =
      study.schedule === 'continuous' ? 'block after block without end' : `${study.blocks} blocks`
    const space = [...spaceNeeded(cases)].map(([tier, bytes]) => `${formatBytes(bytes)} on ${tier}`)
    process.stdout.write(
      [
        `study ${name}: guest ${study.guest}, ${vmsOf(cases)} at once, ${study.workload.kind}, ${blocks}`,
        table(['case', ...factors, ''], rows),
        `space at the most: ${space.join(', ') || 'none'}`,
        '',
        '',
      ].join('\n'),
    )
  }
}

/** `2`, or `1 to 8` where the cases differ. */
function vmsOf(cases: readonly CasePlan[]): string {
  const numbers = cases.map(({ study }) => study.vms)
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)]
  return least === most ? `${most}` : `${least} to ${most}`
}
