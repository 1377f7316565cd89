// fio's JSON output: https://fio.readthedocs.io/en/latest/fio_doc.html#json-output
import { KvmioError, messageOf } from '../../lib/errors.ts'

/** What one job of a calibration came to. */
export interface FioOutput {
  /** fio-3.33 */
  version: string
  /** What was read or written in all. */
  bytes: number
  operationsPerSecond: number
  /** Of one operation, its flush counted in, seconds: fio's own mean. */
  latency: number
  /** Of the operation without its flush, seconds; absent when nothing ended. */
  p99?: number
  /** Bytes in each of the last seconds, per second; empty where no steady state was asked for. */
  rates: number[]
  /** Whether fio ended since these were alike. */
  steady: boolean
  /** How many operations were under way; where a latency was the target, the depth that fio found. */
  depth: number
}

type Json = Record<string, unknown>

/** The output of fio for one job in one direction, whatever stands before it. */
export function parseFioOutput(text: string): FioOutput {
  const output = parseJson(text)
  const { jobs } = output
  if (!Array.isArray(jobs) || jobs.length !== 1) {
    const found = Array.isArray(jobs) ? `${jobs.length}` : 'none'
    throw new KvmioError(`fio: expected one job, got ${found}`)
  }
  const job = object(jobs[0], 'jobs[0]')
  const error = number(job, 'error', 'job')
  if (error !== 0) throw new KvmioError(`fio: its job failed with error ${error}`)
  const directions = (['read', 'write'] as const).filter(
    (name) => number(object(job[name], name), 'io_bytes', name) > 0,
  )
  const [direction, another] = directions
  if (direction === undefined) throw new KvmioError('fio: nothing was read or written')
  if (another) throw new KvmioError('fio: expected reads or writes, got both')
  const part = object(job[direction], direction)
  const { steady, rates } = steadyState(job.steadystate)
  return {
    version: typeof output['fio version'] === 'string' ? output['fio version'] : 'fio',
    bytes: number(part, 'io_bytes', direction),
    operationsPerSecond: number(part, 'iops', direction),
    latency: (mean(part.lat_ns, `${direction}.lat_ns`) + syncMean(job.sync)) / 1e9,
    ...p99(part, direction),
    rates,
    steady,
    depth: number(job, 'latency_depth', 'job'),
  }
}

function parseJson(text: string): Json {
  try {
    // Warnings may stand before it.
    return object(JSON.parse(text.slice(Math.max(0, text.indexOf('{')))), 'output')
  } catch (error) {
    if (error instanceof KvmioError) throw error
    throw new KvmioError(`fio: expected JSON: ${messageOf(error)}`, { cause: error })
  }
}

function steadyState(value: unknown): Pick<FioOutput, 'steady' | 'rates'> {
  if (value === undefined) return { steady: false, rates: [] }
  const state = object(value, 'steadystate')
  const { bw } = object(state.data, 'steadystate.data')
  if (!Array.isArray(bw)) {
    throw new KvmioError(`fio: steadystate.data.bw: expected a list, got ${shown(bw)}`)
  }
  const rates = bw.map((rate, index) => finite(rate, `steadystate.data.bw[${index}]`))
  return { steady: number(state, 'attained', 'steadystate') === 1, rates }
}

function p99(part: Json, direction: string): Pick<FioOutput, 'p99'> {
  const { percentile } = object(part.clat_ns, `${direction}.clat_ns`)
  if (percentile === undefined) return {}
  const place = `${direction}.clat_ns.percentile`
  const percentiles = object(percentile, place)
  return P99 in percentiles ? { p99: number(percentiles, P99, place) / 1e9 } : {}
}

const P99 = '99.000000'

function mean(value: unknown, place: string): number {
  return number(object(value, place), 'mean', place)
}

/** A flush is counted apart; without any there is none to add. */
function syncMean(value: unknown): number {
  if (value === undefined) return 0
  return mean(object(value, 'sync').lat_ns, 'sync.lat_ns')
}

function number(part: Json, key: string, place: string): number {
  return finite(part[key], `${place}.${key}`)
}

function finite(value: unknown, place: string): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
  throw new KvmioError(`fio: ${place}: expected a number, got ${shown(value)}`)
}

function object(value: unknown, place: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json
  throw new KvmioError(`fio: ${place}: expected a mapping, got ${shown(value)}`)
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 60)
}
