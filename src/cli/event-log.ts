import type { Log } from '../lib/log.ts'
import { formatSeconds } from '../lib/quantities.ts'
import type { RunSummary, StudyEvent } from '../study/event.ts'

/** Makes the listener that tells a log how studies go on: a line when a run starts and when it ends. */
export function createEventLog(log: Log): (event: StudyEvent) => void {
  const told = new Set<string>()
  return (event) => {
    if (event.type === 'run-started') {
      log.info(`run ${event.run}: ${event.study}, ${event.case}: started (block ${event.block})`)
    }
    if (event.type === 'run-ended') {
      const line = `run ${event.run}: ${event.study}, ${event.case}: ${event.outcome}${outcome(event)}`
      if (event.outcome === 'failed') log.error(line)
      else if (event.outcome === 'void') log.warn(line)
      else log.info(line)
    }
    if (event.type === 'paused') log.warn(`study ${event.study} is paused: ${event.reason}`)
    if (event.type === 'resumed') log.info(`study ${event.study} goes on`)
    if (event.type === 'block-ended' && event.void !== undefined)
      log.warn(`block ${event.block} of ${event.study} counts for nothing: ${event.void}`)
    if (event.type === 'study') {
      for (const { case: name, reason } of event.skipped) {
        const line = `study ${event.study}: skips ${name}: ${reason}`
        if (!told.has(line)) log.warn(line)
        told.add(line)
      }
    }
  }
}

function outcome({ reason, phases, devices }: RunSummary): string {
  if (reason !== undefined) return `: ${reason}`
  const times = Object.entries(phases).map(
    ([phase, seconds]) => `${phase} ${formatSeconds(seconds)}`,
  )
  const rates = devices.map(
    ({ device, low, high }) => `${device} ${Math.round((low + high) / 2)} tps`,
  )
  return `: ${[...times, ...rates].join(', ')}`
}
