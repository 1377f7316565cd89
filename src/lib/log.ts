import { type DestinationStream, type Logger, pino } from 'pino'

export type Log = Logger

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export const LOG_FORMATS = ['text', 'json'] as const

export interface LogOptions {
  level: (typeof LOG_LEVELS)[number]
  format: (typeof LOG_FORMATS)[number]
  /** Where lines go; standard error by default, so that standard output stays for results. */
  destination?: DestinationStream
}

/** The program's log: JSON lines, or text lines for people. */
export function createLog({ level, format, destination = process.stderr }: LogOptions): Log {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime }
  return pino(options, format === 'json' ? destination : textLines(destination))
}

/** A log that keeps silent. */
export const silentLog: Log = pino({ level: 'silent' })

function textLines(destination: DestinationStream): DestinationStream {
  return {
    write(json) {
      const { time, level, msg, err, ...fields } = JSON.parse(json)
      const label = pino.levels.labels[level]?.toUpperCase().padEnd(5)
      const details = Object.entries(fields).map(([key, value]) => ` ${key}=${format(value)}`)
      const cause = err ? `: ${err.message}` : ''
      destination.write(`${time} ${label} ${msg ?? ''}${cause}${details.join('')}\n`)
    },
  }
}

function format(value: unknown): string {
  return typeof value === 'string' && /^[\w./:%-]+$/.test(value) ? value : JSON.stringify(value)
}
