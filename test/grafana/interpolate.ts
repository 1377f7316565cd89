// What Grafana puts in the place of the variables of an expression.
import type { Variable } from './dashboards.ts'

/** Values of variables by name; of one for which all are chosen, every value. */
export type Values = Readonly<Record<string, string | readonly string[]>>

export interface TimeRange {
  /** Seconds from its start to its end. */
  seconds: number
  /** Seconds between two points. */
  step: number
  /** Of the data source. */
  scrapeSeconds: number
}

/** The seconds that a range like now-1h goes back. */
export function secondsBack(from: string): number {
  const [, count, unit] = /^now-(\d+)([smhd])$/.exec(from) ?? []
  return Number(count) * { s: 1, m: 60, h: 3600, d: 86_400 }[unit as 's' | 'm' | 'h' | 'd']
}

/** Points as far apart as the range asks for, and no nearer than scrapes. */
export function stepOf(seconds: number, scrapeSeconds: number, maxDataPoints = 800): number {
  return Math.max(scrapeSeconds, Math.ceil(seconds / maxDataPoints))
}

/** The expression as it is sent. */
export function interpolate(expr: string, values: Values, range: TimeRange): string {
  const { seconds, step, scrapeSeconds } = range
  const globals: Values = {
    // https://grafana.com/docs/grafana/latest/datasources/prometheus/template-variables/#use-__rate_interval
    __rate_interval: `${Math.max(step + scrapeSeconds, 4 * scrapeSeconds)}s`,
    __interval: `${step}s`,
    __range: `${seconds}s`,
  }
  return expr.replaceAll(/\$(\w+)/g, (_, name: string) => {
    const value = globals[name] ?? values[name]
    if (value === undefined) throw new Error(`${expr}: no value for $${name}`)
    if (typeof value === 'string') return value
    return value.length === 1 ? escapePattern(value[0]!) : `(${value.map(escapePattern).join('|')})`
  })
}

/** What stands for a variable that is left as the dashboard opens: all of them, or the first. */
export function chosen(variable: Variable, found: readonly string[]): string | readonly string[] {
  const { includeAll, allValue, current } = variable
  if (includeAll) return allValue ?? (found.length > 0 ? found : [''])
  const { value } = current ?? {}
  return typeof value === 'string' && found.includes(value) ? value : (found[0] ?? '')
}

/** Within a string of PromQL, whose backslashes are doubled. */
function escapePattern(value: string): string {
  return value.replaceAll(/[\\^$*+?.()|[\]{}]/g, '\\\\$&')
}
