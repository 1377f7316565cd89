// A real Prometheus with the shipped configuration and rules, that scrapes one kvmio.
import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { servePrometheus } from '../prometheus/servers.ts'

export interface Series {
  metric: Record<string, string>
  value?: [time: number, value: string]
  values?: [time: number, value: string][]
}

export interface Answer {
  series: Series[]
  /** Until the last byte of the answer. */
  ms: number
  /** What Prometheus had to look at: samples loaded, all points together. */
  samples: number
}

export interface Prometheus {
  query(expr: string, time: number): Promise<Answer>
  queryRange(expr: string, start: number, end: number, step: number): Promise<Answer>
  /** Label sets of the series that a selector finds. */
  find(selector: string, start: number, end: number): Promise<Record<string, string>[]>
}

/** Starts it in a folder of its own. */
export async function startPrometheus(
  owner: Parameters<typeof servePrometheus>[0],
  directory: string,
  target: string,
): Promise<Prometheus> {
  const own = join(directory, 'prometheus')
  await cp(join(import.meta.dirname, '../../prometheus'), own, { recursive: true })
  await writeFile(join(own, 'targets/local.yml'), `- targets: ['${target}']\n`)
  const address = await servePrometheus(owner, join(own, 'prometheus.yml'))
  const ask = async <T>(path: string, parameters: Record<string, string>): Promise<T> => {
    const response = await fetch(`http://${address}/api/v1/${path}`, {
      method: 'POST',
      body: new URLSearchParams(parameters),
    })
    const { data, error } = (await response.json()) as { data?: T; error?: string }
    if (data === undefined) throw new Error(error)
    return data
  }
  const timed = async (path: string, parameters: Record<string, string>): Promise<Answer> => {
    const began = performance.now()
    const { result, stats } = await ask<{
      result: Series[]
      stats: { samples: { totalQueryableSamples: number } }
    }>(path, { ...parameters, stats: 'all' })
    return {
      series: result,
      ms: performance.now() - began,
      samples: stats.samples.totalQueryableSamples,
    }
  }
  return {
    query: (expr, time) => timed('query', { query: expr, time: String(time) }),
    queryRange: (expr, start, end, step) =>
      timed('query_range', {
        query: expr,
        start: String(start),
        end: String(end),
        step: String(step),
      }),
    find: (selector, start, end) =>
      ask('series', { 'match[]': selector, start: String(start), end: String(end) }),
  }
}
