import { busProblems, driveProblems } from '../config/drive-rules.ts'
import { type FactorValue, withFactors } from '../config/factors.ts'
import { expandMatrix } from '../config/matrix.ts'
import { imageDrives } from '../config/passthrough.ts'
import { placementProblem } from '../config/placement.ts'
import { balloonProblem, memoryProblem } from '../config/rules.ts'
import type { GuestConfig, StudyConfig, TierConfig } from '../config/schema.ts'
import { systemProblems } from '../config/system-rules.ts'
import { workloadProblems } from '../config/workload-rules.ts'
import { mulberry32 } from '../lib/random.ts'

/** One point of a study's matrix. */
export interface CasePlan {
  /** The values of its factors, joined: `virtio-blk-qcow2`; or the name that an entry of `include` gives. */
  name: string
  factors: Record<string, FactorValue>
  guest: GuestConfig
  /** With the case's own number of vms, workload and host cache. */
  study: StudyConfig
  /** Why it cannot run: the rule that it breaks, or what this host lacks. */
  skip?: string
}

/** The cases of a study's matrix, in its order. Without tiers, what stands on them is not asked. */
export function planCases(
  study: StudyConfig,
  guest: GuestConfig,
  tiers: Readonly<Record<string, TierConfig>> = {},
): CasePlan[] {
  return expandMatrix(study).map(({ name, factors, settings }) => {
    const varied = withFactors(guest, study, { ...study.settings, ...settings })
    const skip =
      guestProblem(varied.guest) ??
      placementProblem(varied.guest, varied.study.vms, (name) => tiers[name]) ??
      workloadProblem(varied)
    return { name, factors, ...varied, skip }
  })
}

/** The first rule that a guest breaks. */
function guestProblem(guest: GuestConfig): string | undefined {
  const memory = memoryProblem(guest)
  if (memory !== undefined) return `memory: ${memory}`
  const balloon = balloonProblem(guest)
  if (balloon !== undefined) return `balloon: ${balloon}`
  for (const [name, drive] of Object.entries(guest.drives)) {
    const [problem] = driveProblems(drive)
    if (problem !== undefined)
      return `${['drives', name, ...problem.path].join('.')}: ${problem.message}`
  }
  const [problem] = [...busProblems(guest.drives), ...systemProblems(guest)]
  return problem && `${problem.path.join('.')}: ${problem.message}`
}

export function workloadProblem({
  study,
  guest,
}: Pick<CasePlan, 'study' | 'guest'>): string | undefined {
  const { workload } = study
  const [problem] = workloadProblems(workload, guest)
  return problem && `${['workload', workload.kind, ...problem.path].join('.')}: ${problem.message}`
}

/** The tiers that a guest's drives stand on. */
export function tiersOf(guest: GuestConfig): string[] {
  return [...new Set(imageDrives(guest).map(([, { tier }]) => tier))]
}

/**
 * The order of a block: the cases at random, the same again for the same seed and block. The reference, where there is
 * one, is not among them: it runs at the start, in the middle and at the end; with one other case before it and after
 * it, and alone once.
 */
export function blockOrder<Case extends { name: string }>(
  cases: readonly Case[],
  reference: string | undefined,
  seed: number,
  block: number,
): Case[] {
  const point = cases.find(({ name }) => name === reference)
  if (!point) return shuffled(cases, seed, block)
  const others = shuffled(
    cases.filter(({ name }) => name !== reference),
    seed,
    block,
  )
  if (others.length === 0) return [point]
  const middle = Math.ceil(others.length / 2)
  const between = others.length === 1 ? [] : [point]
  return [point, ...others.slice(0, middle), ...between, ...others.slice(middle), point]
}

/** A list in an order that is random, and the same again for the same seed and block. */
export function shuffled<T>(items: readonly T[], seed: number, block: number): T[] {
  const random = mulberry32(seed ^ Math.imul(block, 0x9e3779b1))
  const order = [...items]
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const swap = order[i]!
    order[i] = order[j]!
    order[j] = swap
  }
  return order
}
