import { formatSeconds } from '../lib/quantities.ts'
import type { StudyEvent } from '../study/event.ts'

const REDRAW_MS = 500

export interface Progress {
  event(event: StudyEvent): void
  stop(): void
}

/** Tells how a study goes on: a live block of lines on a terminal, a plain line an event elsewhere. */
export function createProgress(output: NodeJS.WriteStream, now: () => number = Date.now): Progress {
  return output.isTTY ? liveProgress(output, now) : plainProgress(output)
}

function plainProgress(output: NodeJS.WritableStream): Progress {
  return {
    event(event) {
      output.write(`${line(event)}\n`)
    },
    stop() {},
  }
}

function liveProgress(output: NodeJS.WriteStream, now: () => number): Progress {
  const vms = new Map<string, { phase: string; since: number }>()
  let drawn = 0
  const clear = () => {
    if (drawn > 0) output.write(`\x1b[${drawn}A\x1b[J`)
    drawn = 0
  }
  const draw = () => {
    clear()
    const lines = [...vms].map(([vm, { phase, since }]) => {
      return `  ${vm}  ${phase} ${formatSeconds(Math.floor((now() - since) / 1000))}`
    })
    const shown = fitting(lines, output)
    output.write(shown.map((line) => `${line}\n`).join(''))
    drawn = shown.length
  }
  const timer = setInterval(draw, REDRAW_MS)
  return {
    event(event) {
      clear()
      if (event.type === 'phase') vms.set(event.vm, { phase: event.phase, since: now() })
      else output.write(`${line(event)}\n`)
      if (event.type === 'run-ended') vms.clear()
      draw()
    },
    stop() {
      clearInterval(timer)
      clear()
    },
  }
}

/** No more than the terminal holds: what has wrapped or scrolled away could not be cleared. */
function fitting(lines: readonly string[], { columns = 80, rows = 24 }: NodeJS.WriteStream) {
  const room = Math.max(1, rows - 2)
  const left = lines.length - room
  const shown = left > 0 ? [...lines.slice(0, room), `  and ${left} more`] : lines
  return shown.map((line) => line.slice(0, columns - 1))
}

function line(event: StudyEvent): string {
  switch (event.type) {
    case 'study':
      return [
        `study ${event.study}: ${event.cases.length} cases, ${event.vms} vms at once`,
        ...event.skipped.map(({ case: name, reason }) => `  skipped ${name}: ${reason}`),
      ].join('\n')
    case 'run-started':
      return `[${event.done + 1}/${event.of}] ${event.case}: started (block ${event.block}, run ${event.run})`
    case 'phase':
      return `  ${event.vm}: ${event.phase} at ${event.uptime.toFixed(1)} s`
    case 'run-ended':
      return `  ${event.case}: ${event.outcome}${event.reason === undefined ? '' : `: ${event.reason}`}`
    case 'waiting':
      return `waiting for ${event.for}`
    case 'block-ended':
      return `block ${event.block} of ${event.study} ended`
  }
}
