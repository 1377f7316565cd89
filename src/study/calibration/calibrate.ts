import {
  abandonCalibrations,
  endCalibration,
  recordCalibration,
} from '../../journal/calibrations.ts'
import type { Journal } from '../../journal/journal.ts'
import { KvmioError, messageOf, UnavailableError } from '../../lib/errors.ts'
import { formatSeconds } from '../../lib/quantities.ts'
import { FIO_PROGRAMS } from '../../storage/calibration/fio.ts'
import { makePlace, refusalOf, removeCalibrationFiles } from '../../storage/calibration/place.ts'
import type { Leases } from '../../storage/lease.ts'
import { missingPrograms } from '../../storage/programs.ts'
import type { OpenTier } from '../../storage/tiers.ts'
import type { DeviceCounts } from '../device-counts.ts'
import { quietWindow } from '../neighbours.ts'
import { FULL, QUICK, stepsOf } from './effort.ts'
import { calibrationBasis } from './in-force.ts'
import type {
  CalibrationEvent,
  CalibrationResult,
  CalibrationTask,
  ClassResult,
} from './records.ts'
import { layOut, measureClass } from './sweep.ts'

/** The parts that a calibration runs on. */
export interface CalibrationContext {
  journal: Journal
  leases: Leases
  tier(name: string): OpenTier | undefined
  /** Versions and host facts. */
  manifest(): Promise<object>
  /** What is to stay free on the filesystems of this host, bytes. */
  freeSpaceFloor(): number
  /** The counters of this host's block devices. */
  devices(): Promise<DeviceCounts[]>
}

/** Measures a tier with fio, once nobody else has it. What does not end well is in the journal, and never in force. */
export async function calibrate(
  task: CalibrationTask,
  context: CalibrationContext,
  tell: (event: CalibrationEvent) => void,
  signal: AbortSignal,
): Promise<CalibrationResult> {
  const { tier, quick } = task
  const { journal, leases } = context
  const open = context.tier(tier)
  if (!open) throw new KvmioError(`no tier ${tier} is open`)
  await checkPossible(open)
  const holder = leases.holderOf(tier)
  if (holder !== undefined) tell({ type: 'waiting', tier, for: holder })
  using _lease = await leases.acquire([tier], `calibration of tier ${tier}`, signal)
  await checkPossible(open)
  const manifest = { ...(await context.manifest()), tier: calibrationBasis(open.config), quick }
  const id = recordCalibration(journal, { tier, manifest })
  try {
    const result = await inTime(task, open, context, tell, signal)
    endCalibration(journal, id, { result })
    return result
  } catch (error) {
    const reason = signal.aborted ? 'it was ended before it was done' : messageOf(error)
    endCalibration(journal, id, { reason })
    signal.throwIfAborted()
    throw new KvmioError(`calibration of tier ${tier}: ${reason}`, { cause: error })
  }
}

/** Ends what a killed kvmio has left of calibrations. The tiers must be open, and none be measured. */
export async function removeOrphanCalibrations(
  journal: Journal,
  tiers: readonly OpenTier[],
): Promise<{ removed: string[]; left: string[] }> {
  abandonCalibrations(journal, 'kvmio was killed')
  const [first] = tiers
  if (!first) return { removed: [], left: [] }
  const directories = tiers.flatMap(({ tier }) => tier.directory ?? [])
  return await removeCalibrationFiles(directories, first.context.stateDir)
}

async function checkPossible(open: OpenTier): Promise<void> {
  const reason = refusalOf(open) ?? (await missingPrograms(FIO_PROGRAMS))
  if (reason !== undefined) throw new UnavailableError(reason)
}

/** Under the time limit: when it is reached, what was measured and what was not is told. */
async function inTime(
  task: CalibrationTask,
  open: OpenTier,
  context: CalibrationContext,
  tell: (event: CalibrationEvent) => void,
  signal: AbortSignal,
): Promise<CalibrationResult> {
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(), task.timeLimit * 1000)
  const done: ClassResult[] = []
  try {
    const both = AbortSignal.any([signal, limit.signal])
    return await measureTier(task, open, context, tell, both, done)
  } catch (error) {
    if (signal.aborted || !limit.signal.aborted) throw error
    throw new KvmioError(limitReached(task, done), { cause: error })
  } finally {
    clearTimeout(timer)
  }
}

function limitReached(
  { classes, timeLimit }: CalibrationTask,
  done: readonly ClassResult[],
): string {
  const measured = done.map(({ capacity }) => capacity.class)
  const missing = classes.filter((name) => !measured.includes(name))
  const had = measured.length === 0 ? 'nothing was measured' : `measured: ${measured.join(', ')}`
  return `the time limit of ${formatSeconds(timeLimit)} was reached; ${had}; not measured: ${missing.join(', ')}; nothing of it is in force`
}

async function measureTier(
  { tier, classes, quick }: CalibrationTask,
  open: OpenTier,
  { freeSpaceFloor, devices }: CalibrationContext,
  tell: (event: CalibrationEvent) => void,
  signal: AbortSignal,
  done: ClassResult[],
): Promise<CalibrationResult> {
  const effort = quick ? QUICK : FULL
  const { targetLatency, device } = open.tier
  const watched = device === undefined ? [] : [device]
  const quiet = await quietWindow(watched, effort.quietSeconds, devices, signal)
  const [others] = Object.entries(quiet).map(([device, transactionsPerSecond]) => ({
    device,
    transactionsPerSecond,
  }))
  const place = await makePlace(open, effort.bytes, freeSpaceFloor())
  try {
    const { path, bytes } = place
    tell({ type: 'layout', tier, path, bytes })
    const { version, target } = await layOut(place, signal)
    const steps = classes.map((name) => stepsOf(name, effort, targetLatency))
    let of = steps.reduce((sum, { steps }) => sum + steps, 0)
    let ended = 0
    for (const name of classes) {
      let step = 0
      const { steps: planned, seconds } = stepsOf(name, effort, targetLatency)
      const result = await measureClass(name, {
        target,
        effort,
        targetLatency,
        signal,
        onStep(depth) {
          step += 1
          if (step > planned) of += 1 // deeper than was planned
          const left = (of - ended) * seconds
          tell({ type: 'step', class: name, depth, done: ended, of, left })
          ended += 1
        },
        onPoint: (point) => tell({ type: 'point', class: name, point }),
      })
      done.push(result)
      tell({ type: 'class', result })
    }
    const about = { tier, fio: version, quick, path, bytes: target.bytes, targetLatency }
    return { ...about, ...(others && { others }), classes: done }
  } finally {
    await place.release()
  }
}
