import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Config, loadConfig } from '../config/load.ts'
import { withWorkloadText } from '../config/workload-text.ts'
import { type KvmVerdict, kvmFingerprint } from '../host/accelerator.ts'
import { lackOf, needsOf } from '../host/needs.ts'
import type { Probing } from '../host/probing.ts'
import { readQemuVersion } from '../host/qemu.ts'
import type { JournalReader } from '../journal/journal.ts'
import { runSeconds } from '../journal/measures.ts'
import { openReader } from '../journal/reader.ts'
import { hostVerdict } from '../journal/verdicts.ts'
import { messageOf, UsageError } from '../lib/errors.ts'
import { formatBytes } from '../lib/quantities.ts'
import { tierRoom } from '../storage/tier-room.ts'
import { expectedTimes, RULE } from '../study/expected-time.ts'
import { studyHash } from '../study/identity.ts'
import { type CasePlan, planCases } from '../study/plan.ts'
import { spaceNeeded } from '../study/space.ts'
import { createHostProbing } from './host-probes.ts'
import type { CommonOptions } from './options.ts'
import { planText, type StudyPlan, sumText } from './plan-text.ts'
import { type FoundStudy, findStudies } from './studies.ts'

const PROC = '/proc'
const SYS = '/sys'

export interface PlanOptions extends CommonOptions {
  /** As findStudies() reads them; all of the config when none is named. */
  studies: readonly string[]
}

/**
 * Prints what a study would run and what of it this host cannot, without starting anything. Throws when the images of one
 * can come to take more than a tier has.
 */
export async function plan({ configFile, studies: words }: PlanOptions): Promise<void> {
  const config = await loadConfig(configFile)
  const found = await findStudies(words.length > 0 ? words : Object.keys(config.studies), config)
  using journal = openJournal(config.state)
  const probing = await hostOf(config, journal)
  const plans: StudyPlan[] = []
  for (const study of found) {
    const planned = await planOf(study, config, probing, journal)
    process.stdout.write(planText(planned))
    plans.push(planned)
  }
  if (plans.length > 1) process.stdout.write(sumText(plans))
  if (plans.some(({ times }) => [...times.values()].some(({ from }) => from === 'rule'))) {
    process.stdout.write(`rule: ${RULE}\n`)
  }
  const problems = plans.flatMap(spaceProblems)
  if (problems.length > 0) throw new UsageError(problems.join('\n'))
}

async function planOf(
  { name, study: configured, guest }: FoundStudy,
  config: Config,
  probing: Probing,
  journal: JournalReader | undefined,
): Promise<StudyPlan> {
  const study = await withWorkloadText(name, configured)
  const planned = planCases(study, guest, config.tiers)
  const cases = await Promise.all(planned.map((point) => withHost(point, config, probing)))
  const past = journal ? runSeconds(journal, name, studyHash(study, guest, config.tiers)) : []
  const context = { stateDir: config.state, procRoot: PROC, sysRoot: SYS }
  const space = [...spaceNeeded(cases)].map(async ([tier, neededBytes]) => {
    return { tier, neededBytes, availableBytes: await tierRoom(tier, config.tiers[tier]!, context) }
  })
  return {
    name,
    study,
    cases,
    times: expectedTimes(cases, past, config.tiers),
    space: await Promise.all(space),
  }
}

function spaceProblems({ name, space }: StudyPlan): string[] {
  return space.flatMap(({ tier, neededBytes, availableBytes }) =>
    availableBytes === undefined || neededBytes <= availableBytes
      ? []
      : [
          `study ${name}: its images can come to take ${formatBytes(neededBytes)} on tier ${tier}, which has ${formatBytes(availableBytes)}`,
        ],
  )
}

async function withHost(point: CasePlan, { tiers }: Config, probing: Probing): Promise<CasePlan> {
  if (point.skip !== undefined) return point
  return { ...point, skip: await lackOf(needsOf(point.guest, point.study, tiers), probing) }
}

/** This host as far as it is known at once: whether KVM boots guests is not tried for a plan. */
async function hostOf(
  { state, qemu }: Config,
  journal: JournalReader | undefined,
): Promise<Probing> {
  const verdict = journal && (await knownKvm(qemu.binary, journal).catch(() => undefined))
  const kvm = verdict && (async () => verdict)
  const host = { stateDir: state, binary: qemu.binary, procRoot: PROC, sysRoot: SYS, kvm }
  return await createHostProbing(host)
}

async function knownKvm(binary: string, journal: JournalReader): Promise<KvmVerdict | undefined> {
  const fingerprint = await kvmFingerprint(PROC, await readQemuVersion(binary))
  return hostVerdict<KvmVerdict>(journal, 'kvm', fingerprint)
}

/** Undefined when there is none yet. One that cannot be read costs a plan what it would have known from it. */
function openJournal(stateDir: string): (JournalReader & Disposable) | undefined {
  const file = join(stateDir, 'journal.sqlite')
  if (!existsSync(file)) return undefined
  try {
    return openReader(file)
  } catch (error) {
    process.stderr.write(`${messageOf(error)}; this plan does without it\n`)
    return undefined
  }
}
