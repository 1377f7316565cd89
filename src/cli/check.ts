import { type Config, loadConfig } from '../config/load.ts'
import { readWebConfig } from '../config/web-config.ts'
import { withWorkloadText } from '../config/workload-text.ts'
import { planCases } from '../study/plan.ts'
import type { CommonOptions } from './options.ts'
import { type FoundStudy, findStudies } from './studies.ts'

export interface CheckOptions extends CommonOptions {
  /** The web config to check beside the config. */
  webConfigFile?: string
  /** Suites to check beside the config, as findStudies() reads them. */
  studies: readonly string[]
}

/** Reads the config, and the suites that are named, as every command does, which throws all mistakes, and says what they hold. */
export async function check({
  configFile,
  webConfigFile,
  studies: words,
}: CheckOptions): Promise<void> {
  const config = await loadConfig(configFile)
  const { tiers, guests } = config
  const own = await findStudies(Object.keys(config.studies), config)
  const counts = [
    count(Object.keys(tiers).length, 'tier', 'tiers'),
    count(Object.keys(guests).length, 'guest', 'guests'),
    await counted(own, config),
  ]
  const lines = [`${configFile}: good: ${counts.join(', ')}`]
  if (webConfigFile !== undefined)
    lines.push(`${webConfigFile}: good: ${webSummary(webConfigFile)}`)
  for (const word of words) {
    lines.push(`${word}: good: ${await counted(await findStudies([word], config), config)}`)
  }
  process.stdout.write(`${lines.join('\n')}\n`)
}

/** `TLS with a certificate until 2027-01-01, 2 users`. */
function webSummary(file: string): string {
  const { config, error } = readWebConfig(file)
  if (!config) throw error
  const { tls, users } = config
  const day = tls && new Date(tls.notAfter * 1000).toISOString().slice(0, 10)
  const transport = day ? `TLS with a certificate until ${day}` : 'no TLS'
  return `${transport}, ${count(Object.keys(users).length, 'user', 'users')}`
}

/** `7 studies with 36 cases`, whose workloads' files are there. */
async function counted(found: readonly FoundStudy[], { tiers }: Config): Promise<string> {
  let cases = 0
  for (const { name, study, guest } of found) {
    await withWorkloadText(name, study)
    cases += planCases(study, guest, tiers).length
  }
  return `${count(found.length, 'study', 'studies')} with ${count(cases, 'case', 'cases')}`
}

function count(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`
}
