import { deepStrictEqual } from 'node:assert/strict'
import { Counter, Gauge, Registry } from 'prom-client'
import { catalog } from '../src/metrics/catalog.ts'
import type { Sample } from '../src/metrics/family.ts'
import { encodePieces, renderSamples } from '../src/metrics/render.ts'
import { type Comparison, comparisonTable, median } from './comparison.ts'
import type { Part } from './part.ts'

const REPETITIONS = 15
const PAGES = 20 // of one repetition
const WARM_UP = 3 // repetitions in which the compiler still works

/** A page of samples: kvmio's renderer against a fresh registry of prom-client, which would be the usual way. */
export const render: Part = {
  name: 'render',
  minutes: 0.2,

  async run() {
    const comparisons = [await compareRendering(500), await compareRendering(5_000)]
    return { report: [comparisonTable(comparisons)], targets: [] }
  },
}

async function compareRendering(size: number): Promise<Comparison> {
  const samples = someSamples(size)
  deepStrictEqual(series(renderSamples(samples).join('')), series(await promClientPage(samples)))
  const kvmio: number[] = []
  const peers: number[] = []
  for (let repetition = 0; repetition < WARM_UP + REPETITIONS; repetition++) {
    const own = await timed(() => encodePieces(renderSamples(samples)))
    const peer = await timed(async () => Buffer.from(await promClientPage(samples)))
    if (repetition < WARM_UP) continue
    kvmio.push(own)
    peers.push(peer)
  }
  return { what: `render ${size} samples`, peer: 'prom-client', unit: 'ms', kvmio, peers }
}

async function timed(page: () => unknown): Promise<number> {
  const times: number[] = []
  for (let count = 0; count < PAGES; count++) {
    const start = performance.now()
    await page()
    times.push(performance.now() - start)
  }
  return median(times)
}

/** As many vms would have them. Without histograms, whose state prom-client does not take. */
function someSamples(size: number): Sample[] {
  const families = catalog.filter(({ type, labels }) => type !== 'histogram' && labels.length > 0)
  return Array.from({ length: size }, (_, index) => {
    const family = families[index % families.length]!
    const slot = Math.floor(index / families.length)
    const labels = Object.fromEntries(family.labels.map((label) => [label, `${label}-${slot}`]))
    return { family, labels, value: index * 1.25 }
  })
}

async function promClientPage(samples: readonly Sample[]): Promise<string> {
  const registers = [new Registry()]
  const metrics = new Map<string, Counter | Gauge>()
  for (const { family, labels, value } of samples) {
    const { name, help, type, labels: labelNames } = family
    let metric = metrics.get(name)
    if (!metric) {
      metric = new (type === 'counter' ? Counter : Gauge)({ name, help, labelNames, registers })
      metrics.set(name, metric)
    }
    metric.inc(labels, Number(value))
  }
  return await registers[0]!.metrics()
}

/** The lines that carry a value: both pages must say the same. */
function series(page: string): string[] {
  return page
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .sort()
}
