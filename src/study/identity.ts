import { createHash } from 'node:crypto'
import type { GuestConfig, StudyConfig, TierConfig } from '../config/schema.ts'
import { planCases, tiersOf } from './plan.ts'

/**
 * What makes two executions of a study the same one, so that the second goes on where the first one stopped: all that it,
 * its guest and the tiers of its cases say, except how often and when it runs, and what is expected of a tier or a vm.
 */
export function studyHash(
  study: StudyConfig,
  guest: GuestConfig,
  tiers: Readonly<Record<string, TierConfig>>,
): string {
  const { blocks: _, tries: __, schedule: ___, ...what } = study
  const { demand: ____, ...machine } = guest
  const names = new Set(planCases(study, guest).flatMap((point) => tiersOf(point.guest)))
  const used = [...names].sort().flatMap((name) => {
    const { target: _, capacity: __, ...made } = tiers[name] ?? {}
    return [[name, made]]
  })
  return createHash('sha256')
    .update(JSON.stringify({ study: what, guest: machine, tiers: used }))
    .digest('hex')
}
