import { randomInt } from 'node:crypto'
import type { Config } from '../config/load.ts'
import { loadConfig } from '../config/load.ts'
import { imageDrives } from '../config/passthrough.ts'
import { choice, unknownName } from '../config/problems.ts'
import { KvmioError, UsageError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { workloadProblem } from '../study/plan.ts'
import type { RampEvent, RampSummary } from '../study/ramp/event.ts'
import type { RampTask } from '../study/ramp/task.ts'
import { DEFAULT_WORKLOAD, rampGuest, rampStudy } from '../study/ramp/workload.ts'
import { onlyGuestOn } from './density-facts.ts'
import { densityTable, stepLine } from './density-table.ts'
import type { ServeOptions } from './options.ts'
import { predictRamp } from './ramp-prediction.ts'
import { findStudies } from './studies.ts'
import { type Work, withWorker } from './work.ts'

/** What `density` asks of the kvmio that does the work; times in seconds. */
export interface RampRequest {
  tier: string
  guest: string
  /** A study as a command names it, whose workload it is; the ramp's own when absent. */
  workload?: string
  /** The tier's own when absent. */
  target?: number
  start: 'staggered' | 'storm'
  hold: number
  window: number
  settle: number
  repetitions: number
  max: number
  timeLimit: number
  /** Drawn and recorded when absent. */
  seed?: number
}

/** Ramps the vms of a guest on a tier. */
export const RAMP: Work<RampRequest, RampEvent, RampSummary> = {
  kind: 'ramp',
  parse: parseRequest,
  async do(engine, request, tell, signal) {
    const task = await rampTask(request, engine.holder.current)
    const predict: RampTask['predict'] = (learned) => predictRamp(task, learned, engine)
    return await engine.ramp({ ...task, predict }, tell, signal)
  },
}

export interface DensityOptions extends ServeOptions, Omit<RampRequest, 'guest'> {
  /** The only one with a drive on the tier when absent. */
  guest?: string
  json: boolean
}

/** Finds out how many vms fit by trying, and prints it beside what was predicted. False when the ramp did not end well. */
export async function rampDensity(
  { json, ...options }: DensityOptions,
  log: Log,
  signal: AbortSignal,
): Promise<boolean> {
  const config = await loadConfig(options.configFile)
  const guest = options.guest ?? onlyGuestOn(options.tier, config)
  const request = requestOf({ ...options, guest })
  // Another kvmio may stand in another folder.
  if (request.workload !== undefined)
    request.workload = (await oneStudy(request.workload, config)).reference
  await rampTask(request, config) // mistakes are told before anything is started
  const tell = (event: RampEvent) => {
    const line = stepLine(event)
    if (line !== undefined) process.stderr.write(`${line}\n`)
  }
  const summary = await withWorker({ ...options, onStudyEvent() {} }, log, signal, (worker) =>
    worker.do(RAMP, request, tell),
  )
  process.stdout.write(json ? `${JSON.stringify(summary, null, 2)}\n` : densityTable(summary))
  return summary.measured !== undefined
}

/** The ramp that is asked for, as the config has its parts. Throws what is wrong with it. */
async function rampTask(request: RampRequest, config: Config): Promise<Omit<RampTask, 'predict'>> {
  const { tier, start, hold, window, settle, repetitions, max, timeLimit } = request
  const guest = rampGuest(guestOn(request, config))
  const target = targetOf(request, config)
  const from = request.workload === undefined ? undefined : await oneStudy(request.workload, config)
  const study = rampStudy(request.guest, from?.study)
  const problem = workloadProblem({ study, guest })
  if (problem !== undefined) throw new UsageError(`guest ${request.guest}: ${problem}`)
  const { cpuCap, memoryReserve } = config.density
  return {
    tier,
    guest: { name: request.guest, config: guest },
    study,
    workload: from ? `that of study ${from.name}` : DEFAULT_WORKLOAD,
    settings: { start, hold, window, settle, target },
    repetitions,
    max,
    timeLimit,
    seed: request.seed ?? randomInt(2 ** 31),
    limits: { cpuCap, memoryReserve },
  }
}

function guestOn({ tier, guest: name }: RampRequest, { tiers, guests }: Config) {
  if (!Object.hasOwn(tiers, tier))
    throw new UsageError(unknownName('tier', tier, Object.keys(tiers)))
  const guest = Object.hasOwn(guests, name) ? guests[name] : undefined
  if (!guest) throw new UsageError(unknownName('guest', name, Object.keys(guests)))
  const used = [...new Set(imageDrives(guest).map(([, drive]) => drive.tier))]
  if (used.includes(tier)) return guest
  throw new UsageError(
    `guest ${name} has no drive on tier ${tier}; its drives are on ${choice(used)}`,
  )
}

function targetOf({ tier, target }: RampRequest, { tiers }: Config): number {
  const found = target ?? tiers[tier]?.target?.latency
  if (found !== undefined) return found
  throw new UsageError(
    `tier ${tier} has no target latency; give one with --target, or as "target" in the config`,
  )
}

async function oneStudy(word: string, config: Config) {
  const [found, ...more] = await findStudies([word], config)
  if (found && more.length === 0) return found
  throw new UsageError(`--workload: expected one study, got the ${more.length + 1} of ${word}`)
}

const KEYS = [
  ...['tier', 'guest', 'workload', 'target', 'start', 'hold', 'window', 'settle'],
  ...['repetitions', 'max', 'timeLimit', 'seed'],
] as (keyof RampRequest)[]

/** What a ramp is told, of all that a command or another kvmio says. */
export function requestOf(said: Partial<RampRequest>): RampRequest {
  return Object.fromEntries(KEYS.map((key) => [key, said[key]])) as unknown as RampRequest
}

const NUMBERS = ['hold', 'window', 'settle', 'repetitions', 'max', 'timeLimit'] as const

function parseRequest(body: unknown): RampRequest {
  const request = (body ?? {}) as Record<string, unknown>
  const wrong = (key: string, expected: string) =>
    new KvmioError(`${key}: expected ${expected}, got ${JSON.stringify(request[key])}`)
  for (const key of ['tier', 'guest'] as const)
    if (typeof request[key] !== 'string') throw wrong(key, 'a name')
  if (request.workload !== undefined && typeof request.workload !== 'string')
    throw wrong('workload', 'the name of a study')
  if (request.start !== 'staggered' && request.start !== 'storm')
    throw wrong('start', 'staggered or storm')
  for (const key of NUMBERS) if (!isAbove(request[key])) throw wrong(key, 'a number above 0')
  for (const key of ['target', 'seed'] as const)
    if (request[key] !== undefined && !isAbove(request[key], key === 'seed' ? -1 : 0))
      throw wrong(key, 'a number')
  return requestOf(request)
}

function isAbove(value: unknown, least = 0): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value > least
}
