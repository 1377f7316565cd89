import { loadConfig } from '../config/load.ts'
import { suggestion } from '../config/problems.ts'
import type { OperationClass } from '../density/records.ts'
import { KvmioError, UsageError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { CLASSES } from '../study/calibration/classes.ts'
import type {
  CalibrationEvent,
  CalibrationResult,
  CalibrationTask,
} from '../study/calibration/records.ts'
import { createCalibrationProgress } from './calibration-progress.ts'
import { CALIBRATION_NOTE, calibrationTable } from './calibration-table.ts'
import type { ServeOptions } from './options.ts'
import { createProgress } from './progress.ts'
import { type Work, withWorker } from './work.ts'

/** Without a limit of the user's own, seconds. */
const TIME_LIMIT = { full: 3600, quick: 600 }

export interface CalibrateOptions extends ServeOptions {
  tier: string
  quick: boolean
  /** All when absent. */
  classes?: readonly OperationClass[]
  /** Seconds. */
  timeLimit?: number
}

/** Measures one tier. */
export const CALIBRATE: Work<CalibrationTask, CalibrationEvent, CalibrationResult> = {
  kind: 'calibrate',
  parse: parseTask,
  async do(engine, task, tell, signal) {
    checkTier(task.tier, engine.holder.current)
    return await engine.calibrate(task, tell, signal)
  },
}

/** Measures what a tier serves, and prints it. */
export async function calibrateTier(
  options: CalibrateOptions,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const { tier, quick, classes = CLASSES, timeLimit } = options
  checkTier(tier, await loadConfig(options.configFile))
  const task: CalibrationTask = {
    tier,
    classes,
    quick,
    timeLimit: timeLimit ?? (quick ? TIME_LIMIT.quick : TIME_LIMIT.full),
  }
  const progress = createCalibrationProgress(process.stderr)
  const studies = createProgress(process.stderr)
  try {
    const onStudyEvent = studies.event.bind(studies)
    const result = await withWorker({ ...options, onStudyEvent }, log, signal, (worker) => {
      studies.stop() // those that were taken up have ended
      return worker.do(CALIBRATE, task, (event) => progress.event(event))
    })
    progress.stop()
    process.stdout.write(`\n${calibrationTable(result)}\n\n${CALIBRATION_NOTE}\n`)
  } catch (error) {
    if (signal.aborted) {
      process.stderr.write(
        `The calibration of tier ${tier} was given up: nothing of it is in force.\n`,
      )
    }
    throw error
  } finally {
    studies.stop()
    progress.stop()
  }
}

function checkTier(tier: string, { file, tiers }: { file: string; tiers: object }): void {
  if (Object.hasOwn(tiers, tier)) return
  const known = Object.keys(tiers)
  throw new UsageError(
    `no tier ${tier}; ${file} has ${known.join(', ') || 'none'}${suggestion(tier, known)}`,
  )
}

function parseTask(body: unknown): CalibrationTask {
  const { tier, classes, quick, timeLimit } = (body ?? {}) as Record<string, unknown>
  if (typeof tier !== 'string') throw new KvmioError('expected the name of a tier')
  const isKnown = (name: unknown) => (CLASSES as readonly unknown[]).includes(name)
  if (!Array.isArray(classes) || classes.length === 0 || !classes.every(isKnown)) {
    throw new KvmioError(`expected classes of operations, got ${JSON.stringify(classes)}`)
  }
  if (typeof timeLimit !== 'number' || !(timeLimit > 0)) {
    throw new KvmioError(`expected a time limit in seconds, got ${JSON.stringify(timeLimit)}`)
  }
  return {
    tier,
    classes: [...new Set(classes as OperationClass[])],
    quick: quick === true,
    timeLimit,
  }
}
