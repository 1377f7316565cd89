// fio's JSON output: https://fio.readthedocs.io/en/latest/fio_doc.html#json-output
import { KvmioError, messageOf } from '../lib/errors.ts'

/** What all jobs of a run of fio did together, in one direction. */
export interface FioFigures {
  bytesPerSecond: number
  operationsPerSecond: number
  /** Of completion latency, the slowest job's, seconds; absent when fio was told to keep none. */
  p99?: number
}

export interface FioResult {
  /** Absent when nothing was read. */
  read?: FioFigures
  /** Absent when nothing was written. */
  write?: FioFigures
}

type Json = Record<string, unknown>

/** The figures of a JSON output. Jobs that run at once add up; with group_reporting a group is one job. */
export function parseFio(text: string): FioResult {
  const jobs = jobsOf(text)
  return { read: figures(jobs, 'read'), write: figures(jobs, 'write') }
}

function jobsOf(text: string): Json[] {
  let output: unknown
  try {
    // Warnings may stand before it.
    output = JSON.parse(text.slice(Math.max(0, text.indexOf('{'))))
  } catch (error) {
    throw new KvmioError(`fio: expected JSON: ${messageOf(error)}`, { cause: error })
  }
  const { jobs } = object(output)
  if (!Array.isArray(jobs)) throw new KvmioError('fio: expected a list of jobs, got none')
  return jobs.map(object)
}

function figures(jobs: readonly Json[], direction: 'read' | 'write'): FioFigures | undefined {
  const number = (part: Json, key: string): number => {
    const value = part[key]
    if (typeof value === 'number' && value >= 0) return value
    const found = JSON.stringify(value) ?? 'nothing'
    throw new KvmioError(`fio: ${direction}.${key}: expected a number, got ${found}`)
  }
  const parts = jobs
    .map((job) => job[direction])
    .filter(isObject)
    .filter((part) => number(part, 'io_bytes') > 0)
  if (parts.length === 0) return undefined
  const sum = (key: string) => parts.reduce((sum, part) => sum + number(part, key), 0)
  const percentiles = parts.map(({ clat_ns }) => object(object(clat_ns).percentile))
  const p99s = percentiles.flatMap((of) => (P99 in of ? [number(of, P99)] : []))
  return {
    bytesPerSecond: sum('bw_bytes'),
    operationsPerSecond: sum('iops'),
    ...(p99s.length > 0 && { p99: Math.max(...p99s) / 1e9 }),
  }
}

const P99 = '99.000000'

/** What has the wrong shape has none of the keys: a guest may say anything. */
function object(value: unknown): Json {
  return isObject(value) ? value : {}
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
