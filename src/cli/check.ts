import { loadConfig } from '../config/load.ts'
import { withWorkloadText } from '../config/workload-text.ts'
import { planCases } from '../study/plan.ts'
import type { CommonOptions } from './options.ts'

/** Reads the config as every command does, which throws all its mistakes, and says what it holds. */
export async function check({ configFile }: CommonOptions): Promise<void> {
  const { tiers, guests, studies } = await loadConfig(configFile)
  for (const [name, study] of Object.entries(studies)) await withWorkloadText(name, study)
  const cases = Object.values(studies).map(
    (study) => planCases(study, guests[study.guest]!, tiers).length,
  )
  const counts = [
    count(Object.keys(tiers).length, 'tier', 'tiers'),
    count(Object.keys(guests).length, 'guest', 'guests'),
    `${count(cases.length, 'study', 'studies')} with ${count(
      cases.reduce((sum, n) => sum + n, 0),
      'case',
      'cases',
    )}`,
  ]
  process.stdout.write(`${configFile}: good: ${counts.join(', ')}\n`)
}

function count(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`
}
