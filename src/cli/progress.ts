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
  let before: string | undefined
  return {
    event(event) {
      const text = event.type === 'progress' ? `  ${summed(event)}` : line(event)
      if (text === undefined) return
      // A block begins where the last one ended.
      if (event.type !== 'progress' || text !== before) output.write(`${text}\n`)
      if (event.type === 'progress') before = text
    },
    stop() {},
  }
}

interface VmState {
  phase: string
  since: number
  transactions?: number
}

function liveProgress(output: NodeJS.WriteStream, now: () => number): Progress {
  const vms = new Map<string, VmState>()
  let progress: ProgressEvent | undefined
  let drawn = 0
  const clear = () => {
    if (drawn > 0) output.write(`\x1b[${drawn}A\x1b[J`)
    drawn = 0
  }
  const draw = () => {
    clear()
    const lines = [...vms].map(([vm, state]) => `  ${vm}  ${vmState(state, now())}`)
    const shown = fitting(lines, output, progress && `  ${summed(progress)}`)
    output.write(shown.map((line) => `${line}\n`).join(''))
    drawn = shown.length
  }
  const timer = setInterval(draw, REDRAW_MS)
  return {
    event(event) {
      clear()
      const text = line(event)
      if (event.type === 'phase') vms.set(event.vm, { phase: event.phase, since: now() })
      else if (event.type === 'second') takeRates(vms, event.vms)
      else if (event.type === 'progress') progress = event
      else if (text !== undefined) output.write(`${text}\n`)
      if (event.type === 'run-ended') vms.clear()
      draw()
    },
    stop() {
      clearInterval(timer)
      clear()
    },
  }
}

type ProgressEvent = Extract<StudyEvent, { type: 'progress' }>

function takeRates(vms: Map<string, VmState>, rates: Record<string, number>): void {
  for (const [vm, transactions] of Object.entries(rates)) {
    const state = vms.get(vm)
    if (state) state.transactions = transactions
  }
}

function vmState({ phase, since, transactions }: VmState, now: number): string {
  const rate = transactions === undefined ? '' : `  ${Math.round(transactions)} tps`
  return `${phase} ${formatSeconds(Math.floor((now - since) / 1000))}${rate}`
}

function summed({ done, of, left }: ProgressEvent): string {
  const time =
    left === undefined || left < 1 ? '' : `, about ${formatSeconds(Math.round(left))} left`
  return `${done} of ${of} runs done${time}`
}

/** No more than the terminal holds: what has wrapped or scrolled away could not be cleared. */
function fitting(
  lines: readonly string[],
  { columns = 80, rows = 24 }: NodeJS.WriteStream,
  last: string | undefined,
) {
  const room = Math.max(1, rows - 2 - (last === undefined ? 0 : 1))
  const left = lines.length - room
  const fit = left > 0 ? [...lines.slice(0, room), `  and ${left} more`] : lines
  const shown = last === undefined ? fit : [...fit, last]
  return shown.map((line) => line.slice(0, columns - 1))
}

/** Undefined for what is no news of its own. */
function line(event: StudyEvent): string | undefined {
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
    case 'paused':
      return `study ${event.study} is paused: ${event.reason}`
    case 'resumed':
      return `study ${event.study} goes on`
    case 'block-ended':
      return event.void === undefined
        ? `block ${event.block} of ${event.study} ended`
        : `block ${event.block} of ${event.study} counts for nothing: ${event.void}`
    case 'progress':
    case 'second':
      return undefined
  }
}
