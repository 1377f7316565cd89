import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { type Config, loadConfig } from '../config/load.ts'
import type { KvmVerdict } from '../host/accelerator.ts'
import { lackOf, needsOf } from '../host/needs.ts'
import type { Probing } from '../host/probing.ts'
import { Journal } from '../journal/journal.ts'
import { UsageError } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { formatBytes } from '../lib/quantities.ts'
import { type CasePlan, planCases } from '../study/plan.ts'
import { spaceNeeded } from '../study/space.ts'
import { createHostParts } from './host-parts.ts'
import { createHostProbing } from './host-probes.ts'
import type { CommonOptions } from './options.ts'
import { table } from './table.ts'

const PROC = '/proc'

export interface PlanOptions extends CommonOptions {
  /** All of the config when none is named. */
  studies: readonly string[]
}

/** Prints what a study would run and what of it this host cannot, without starting anything. */
export async function plan({ configFile, studies: names }: PlanOptions): Promise<void> {
  const config = await loadConfig(configFile)
  const { studies, guests, tiers } = config
  const probing = await hostOf(config)
  const chosen = names.length > 0 ? names : Object.keys(studies)
  for (const name of chosen) {
    const study = studies[name]
    if (!study) {
      throw new UsageError(
        `no study ${name}; ${configFile} has ${Object.keys(studies).join(', ') || 'none'}`,
      )
    }
    const planned = planCases(study, guests[study.guest]!, tiers)
    const cases = await Promise.all(planned.map((point) => withHost(point, config, probing)))
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

async function withHost(point: CasePlan, { tiers }: Config, probing: Probing): Promise<CasePlan> {
  if (point.skip !== undefined) return point
  return { ...point, skip: await lackOf(needsOf(point.guest, point.study, tiers), probing) }
}

/** This host as far as it is known at once: whether KVM boots guests is not tried for a plan. */
async function hostOf({ state, qemu }: Config): Promise<Probing> {
  const verdict = await knownKvm(state, qemu.binary).catch(() => undefined)
  const kvm = verdict && (async () => verdict)
  const host = { stateDir: state, binary: qemu.binary, procRoot: PROC, sysRoot: '/sys', kvm }
  return await createHostProbing(host)
}

async function knownKvm(stateDir: string, binary: string): Promise<KvmVerdict | undefined> {
  const file = join(stateDir, 'journal.sqlite')
  await access(file) // to open it would make it
  const journal = new Journal(file)
  try {
    const context = { procRoot: PROC, binary, log: silentLog, now: () => 0 }
    return await createHostParts(stateDir, journal, context).knownKvm()
  } finally {
    journal.close()
  }
}

/** `2`, or `1 to 8` where the cases differ. */
function vmsOf(cases: readonly CasePlan[]): string {
  const numbers = cases.map(({ study }) => study.vms)
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)]
  return least === most ? `${most}` : `${least} to ${most}`
}
