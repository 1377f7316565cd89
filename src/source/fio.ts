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

type Count = 'io_bytes' | 'bw_bytes' | 'iops'

interface Direction extends Partial<Record<Count, number>> {
  clat_ns?: { percentile?: Record<string, number> }
}

/** The figures of a JSON output. Jobs that run at once add up; with group_reporting a group is one job. */
export function parseFio(text: string): FioResult {
  const jobs = jobsOf(text)
  return { read: figures(jobs, 'read'), write: figures(jobs, 'write') }
}

function jobsOf(text: string): Record<string, Direction>[] {
  let output: unknown
  try {
    // Warnings may stand before it.
    output = JSON.parse(text.slice(Math.max(0, text.indexOf('{'))))
  } catch (error) {
    throw new KvmioError(`fio: expected JSON: ${messageOf(error)}`, { cause: error })
  }
  const { jobs } = (output ?? {}) as { jobs?: unknown }
  if (!Array.isArray(jobs)) throw new KvmioError('fio: expected a list of jobs, got none')
  return jobs
}

function figures(
  jobs: readonly Record<string, Direction>[],
  direction: 'read' | 'write',
): FioFigures | undefined {
  const given = (part: Direction, key: Count): number => {
    const value = part[key]
    if (typeof value === 'number') return value
    const found = JSON.stringify(value) ?? 'nothing'
    throw new KvmioError(`fio: ${direction}.${key}: expected a number, got ${found}`)
  }
  const parts = jobs
    .flatMap((job) => job[direction] ?? [])
    .filter((part) => given(part, 'io_bytes') > 0)
  if (parts.length === 0) return undefined
  const sum = (key: Count) => parts.reduce((sum, part) => sum + given(part, key), 0)
  const slowest = parts.map(({ clat_ns }) => clat_ns?.percentile?.['99.000000'])
  const p99s = slowest.filter((value) => value !== undefined)
  return {
    bytesPerSecond: sum('bw_bytes'),
    operationsPerSecond: sum('iops'),
    ...(p99s.length > 0 && { p99: Math.max(...p99s) / 1e9 }),
  }
}
