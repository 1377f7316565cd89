import { median } from './comparison.ts'
import type { Exporter } from './exporter.ts'
import { cpuSecondsOf } from './process-cost.ts'

/** An exporter with the daemons that do its work. */
export interface Contender {
  exporter: Exporter
  pids: readonly number[]
}

/** Of one repetition: medians and means of one scrape. */
export interface Cost {
  ms: number
  cpuMs: number
}

/** Scrapes both, who take turns to be first. */
export async function repetition(
  kvmio: Contender,
  peer: Contender,
  requests: number,
): Promise<[Cost, Cost]> {
  const contenders = [kvmio, peer] as const
  const before = await Promise.all(contenders.map(cpuOf))
  const times: [number[], number[]] = [[], []]
  for (let count = 0; count < requests; count++) {
    const first = count % 2
    for (const index of [first, 1 - first] as const) {
      times[index]!.push(await timed(contenders[index]!.exporter))
    }
  }
  const after = await Promise.all(contenders.map(cpuOf))
  const costs = times.map((ms, index) => ({
    ms: median(ms),
    cpuMs: ((after[index]! - before[index]!) * 1000) / requests,
  }))
  return costs as [Cost, Cost]
}

export async function timed({ scrape }: Exporter): Promise<number> {
  const start = performance.now()
  await scrape()
  return performance.now() - start
}

async function cpuOf({ pids }: Contender): Promise<number> {
  const seconds = await Promise.all(pids.map(cpuSecondsOf))
  return seconds.reduce((sum, value) => sum + value, 0)
}
