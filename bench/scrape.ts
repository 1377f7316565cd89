import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import packageJson from '../package.json' with { type: 'json' }
import { type Comparison, comparisonTable, ratioOf } from './comparison.ts'
import { repetition } from './duel.ts'
import { type Exporter, type ExporterOptions, seriesOf, startExporter } from './exporter.ts'
import type { Part, PartResult } from './part.ts'
import { fetchProgram } from './tools.ts'

const WARM_UP = 200
const REPETITIONS = 7
const REQUESTS = 200 // of one repetition
// What kvmio leaves out by default; node_exporter 1.5 would show zram devices too, and so have twice the work here.
const EXCLUDE = '^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\\d+n\\d+p)\\d+$'

/** GET /metrics with the host's disks alone: a kvmio that serves no study beside node_exporter, request by request. */
export const scrape: Part = {
  name: 'scrape',
  minutes: 0.3,

  async run(signal) {
    const program = await fetchProgram('prometheus-node-exporter')
    const state = await mkdtemp(join(tmpdir(), 'kvmio-bench-'))
    try {
      const config = join(state, 'kvmio.yaml')
      await writeFile(config, 'state: state\n')
      await using kvmio = await startKvmio({ config, path: '/metrics?collect[]=diskstats', signal })
      await using peer = await startExporter({
        file: program,
        args: (address) => [
          ...['--collector.disable-defaults', '--collector.diskstats'],
          `--collector.diskstats.device-exclude=${EXCLUDE}`,
          `--web.listen-address=${address}`,
        ],
        path: '/metrics',
        signal,
      })
      return await compare(kvmio, peer)
    } finally {
      await rm(state, { recursive: true, force: true })
    }
  },
}

export interface KvmioOptions extends Pick<ExporterOptions, 'startMs' | 'signal'> {
  config: string
  path?: string
}

/** `kvmio serve`, with the variables and the flags that `npm start` gives to Node. */
export function startKvmio({
  config,
  path = '/metrics',
  startMs,
  signal,
}: KvmioOptions): Promise<Exporter> {
  const main = join(import.meta.dirname, '../src/main.ts')
  const words = packageJson.scripts.start.split(' ')
  const flags = words.filter((word) => word.startsWith('--'))
  const env = Object.fromEntries(
    words.filter((word) => /^\w+=/.test(word)).map((word) => word.split('=') as [string, string]),
  )
  return startExporter({
    file: process.execPath,
    env,
    args: (address) => [
      ...flags,
      main,
      ...['serve', '--config.file', config, '--web.listen-address', address],
    ],
    ...{ path, startMs, signal },
  })
}

async function compare(kvmio: Exporter, peer: Exporter): Promise<PartResult> {
  const contenders = [kvmio, peer].map((exporter) => ({ exporter, pids: [exporter.pid] }))
  const [own, other] = contenders as [(typeof contenders)[0], (typeof contenders)[0]]
  await repetition(own, other, WARM_UP)
  const costs: Awaited<ReturnType<typeof repetition>>[] = []
  for (let count = 0; count < REPETITIONS; count++) {
    costs.push(await repetition(own, other, REQUESTS))
  }
  const pages = [await kvmio.scrape(), await peer.scrape()] as const
  const row = (unit: string, figures: readonly (readonly [number, number])[]): Comparison => ({
    what: 'scrape of diskstats',
    peer: 'node_exporter',
    unit,
    kvmio: figures.map(([own]) => own),
    peers: figures.map(([, other]) => other),
  })
  const time = row(
    'ms',
    costs.map(([own, other]) => [own.ms, other.ms]),
  )
  const cpu = row(
    'CPU ms',
    costs.map(([own, other]) => [own.cpuMs, other.cpuMs]),
  )
  const bytes = row('bytes', [[pages[0].length, pages[1].length]])
  return {
    report: [
      comparisonTable([time, cpu, bytes]),
      `kvmio's page ${described(pages[0], 'kvmio_device_')}, node_exporter's ${described(pages[1], 'node_disk_')}: what is not of disks is each program's own.`,
    ],
    targets: [
      {
        what: 'a scrape of diskstats is no slower than node_exporter',
        bar: 'ratio at most 1.00',
        figure: ratioOf(time).toFixed(2),
        isMet: ratioOf(time) <= 1,
      },
    ],
  }
}

function described(page: string, prefix: string): string {
  const series = seriesOf(page)
  const ofDisks = series.filter((line) => line.startsWith(prefix)).length
  return `had ${series.length} series, ${ofDisks} of them ${prefix}*`
}
