import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '../config/load.ts'
import { predict } from '../density/model.ts'
import type { DemandSource } from '../density/records.ts'
import { openReader } from '../journal/reader.ts'
import { KvmioError } from '../lib/errors.ts'
import { type DensityFacts, densityFacts, onlyGuestOn } from './density-facts.ts'
import { askLiveVms } from './live-vms.ts'
import type { CommonOptions } from './options.ts'
import { explanation, type Predicted, predictionText } from './prediction-text.ts'

const PROC = '/proc'
const SYS = '/sys'

export interface PredictOptions extends CommonOptions {
  tier: string
  /** The only one with a drive on the tier when absent. */
  guest?: string
  /** Asked about, in place of those that run. */
  vms?: number
  /** In place of the tier's own, seconds. */
  target?: number
  /** In place of the first that is known. */
  source?: DemandSource
  json: boolean
}

/** Prints how many vms of a guest fit on a tier, by what the config, the journal and a kvmio that serves know. */
export async function predictDensity(options: PredictOptions): Promise<void> {
  const predicted = await prediction(options)
  process.stdout.write(options.json ? jsonOf(predicted) : predictionText(predicted))
}

/** Throws, with what to do, where nothing is known that tells. */
export async function prediction(
  options: Omit<PredictOptions, 'json' | 'log'>,
): Promise<Predicted> {
  const { configFile, tier, vms, target, source } = options
  const config = await loadConfig(configFile)
  const guest = options.guest ?? onlyGuestOn(tier, config)
  const file = join(config.state, 'journal.sqlite')
  using journal = existsSync(file) ? openReader(file) : undefined
  const live = await askLiveVms(config.state)
  const ask = { tier, guest, target, source }
  const facts = await densityFacts(ask, { config, journal, live, procRoot: PROC, sysRoot: SYS })
  const prediction = predict({ ...facts, running: vms ?? facts.running })
  const predicted = { tier, guest, facts, prediction, vms }
  if (facts.demand || facts.measured) return predicted
  throw new KvmioError(lack(predicted, source))
}

/** What to do where no method has an answer. */
function lack({ tier, guest, facts }: Predicted, source: DemandSource | undefined): string {
  if (source !== undefined && source !== 'stated') {
    const where =
      source === 'journal'
        ? 'the journal has no run or ramp that shows'
        : 'no kvmio serves vms that show'
    return `${where} what a vm of guest ${guest} asks of tier ${tier}`
  }
  return isUncosted(facts)
    ? `it is not known what tier ${tier} serves, and so not what its transactions cost: calibrate it (kvmio calibrate ${tier}), or state it as "capacity" of the tier in the config`
    : `it is not known what a vm of guest ${guest} asks of tier ${tier}: state it as "demand" of the guest in the config, let a study with up to 4 of its vms run there, or ramp it (kvmio density ${tier} --guest ${guest})`
}

function isUncosted({ capacity }: DensityFacts): boolean {
  return capacity.classes.length === 0 && capacity.rated === undefined
}

function jsonOf(predicted: Predicted): string {
  const { tier, guest, facts, prediction, vms } = predicted
  const { settings, running, source, seen, ...question } = facts
  const demand = question.demand && { ...question.demand, source, ...(seen && { seen }) }
  const whole = {
    tier,
    guest,
    running: vms ?? running,
    settings,
    ...question,
    demand,
    usableShare: prediction.capacity,
    densities: prediction.densities,
    limits: prediction.limits,
    bootStorm: prediction.boot,
    explanation: explanation(predicted),
  }
  return `${JSON.stringify(whole, null, 2)}\n`
}
