import { formatBytes, formatSeconds } from '../lib/quantities.ts'
import type { CalibrationEvent, MeasuredPoint } from '../study/calibration/records.ts'

const BAR_WIDTH = 24

export interface CalibrationProgress {
  event(event: CalibrationEvent): void
  stop(): void
}

/** Tells how a calibration goes on: what was measured line by line, and on a terminal a bar below. */
export function createCalibrationProgress(output: NodeJS.WriteStream): CalibrationProgress {
  let bar: string | undefined
  let isDrawn = false
  const clear = () => {
    if (isDrawn) output.write('\x1b[1A\x1b[J')
    isDrawn = false
  }
  return {
    event(event) {
      clear()
      const text = line(event)
      if (text !== undefined) output.write(`${text}\n`)
      if (event.type === 'step') bar = barOf(event)
      if (!output.isTTY || bar === undefined) return
      output.write(`${bar.slice(0, (output.columns ?? 80) - 1)}\n`)
      isDrawn = true
    },
    stop() {
      clear()
      bar = undefined
    },
  }
}

function barOf(event: Extract<CalibrationEvent, { type: 'step' }>): string {
  const { class: name, depth, done, of, left } = event
  const filled = Math.round((done / of) * BAR_WIDTH)
  const bar = '#'.repeat(filled).padEnd(BAR_WIDTH, '.')
  const what = depth === undefined ? "fio's search for the target latency" : `depth ${depth}`
  const time = formatSeconds(Math.max(1, Math.round(left)))
  return `[${bar}] ${done} of ${of}: ${name}, ${what}, about ${time} left`
}

/** Undefined for what is no news of its own. */
function line(event: CalibrationEvent): string | undefined {
  switch (event.type) {
    case 'waiting':
      return `waiting for ${event.for}, which has tier ${event.tier}`
    case 'layout':
      return `tier ${event.tier}: writing ${event.path}, at most ${formatBytes(event.bytes)}`
    case 'point':
      return `  ${event.class} ${pointLine(event.point)}`
    case 'class': {
      const { capacity, search, notes } = event.result
      const found = search
        ? `  ${capacity.class}: fio's search kept ${formatSeconds(search.targetLatency)} with ${search.depth} at a time: ${search.operationsPerSecond.toFixed(1)}/s`
        : undefined
      const told = notes.map((note) => `  ${capacity.class}: ${note}`)
      const lines = [...(found === undefined ? [] : [found]), ...told]
      return lines.length === 0 ? undefined : lines.join('\n')
    }
    case 'step':
      return undefined
  }
}

function pointLine({ depth, operationsPerSecond, latency, unsteady }: MeasuredPoint): string {
  const state = unsteady === undefined ? '' : ', not steady'
  return `depth ${depth}: ${operationsPerSecond.toFixed(1)}/s, mean latency ${(latency * 1000).toFixed(2)} ms${state}`
}
