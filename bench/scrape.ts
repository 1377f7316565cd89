import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Comparison, median } from './comparison.ts'
import { type Exporter, startExporter } from './exporter.ts'
import { fetchNodeExporter } from './node-exporter.ts'

const WARM_UP = 200
const REPETITIONS = 5
const REQUESTS = 200 // of one repetition
// What kvmio leaves out by default; node_exporter 1.5 would show zram devices too, and so have twice the work here.
const EXCLUDE = '^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\\d+n\\d+p)\\d+$'
const root = join(import.meta.dirname, '..')

/** What the pages of both exporters held: nobody compares a page with an empty one. */
export interface ScrapeComparison extends Comparison {
  note: string
}

/** GET /metrics with the host's disks alone: a kvmio that serves no study against node_exporter, request by request. */
export async function compareScrapes(): Promise<ScrapeComparison> {
  const program = await fetchNodeExporter(join(root, '.kvmio/tools'))
  const state = await mkdtemp(join(tmpdir(), 'kvmio-bench-'))
  try {
    const config = join(state, 'kvmio.yaml')
    await writeFile(config, 'state: state\n')
    await using kvmio = await startExporter({
      file: process.execPath,
      args: (address) => [
        join(root, 'src/main.ts'),
        ...['serve', '--config.file', config, '--web.listen-address', address],
      ],
      path: '/metrics?collect[]=diskstats',
    })
    await using peer = await startExporter({
      file: program,
      args: (address) => [
        ...['--collector.disable-defaults', '--collector.diskstats'],
        `--collector.diskstats.device-exclude=${EXCLUDE}`,
        `--web.listen-address=${address}`,
      ],
      path: '/metrics',
    })
    return await compare(kvmio, peer)
  } finally {
    await rm(state, { recursive: true, force: true })
  }
}

async function compare(kvmio: Exporter, peer: Exporter): Promise<ScrapeComparison> {
  await repetition(kvmio, peer, WARM_UP)
  const kvmioMs: number[] = []
  const peerMs: number[] = []
  for (let count = 0; count < REPETITIONS; count++) {
    const [own, other] = await repetition(kvmio, peer, REQUESTS)
    kvmioMs.push(own)
    peerMs.push(other)
  }
  const pages = `kvmio's page ${described(await kvmio.scrape(), 'kvmio_device_')}, node_exporter's ${described(await peer.scrape(), 'node_disk_')}`
  return { what: 'scrape of diskstats', peer: 'node_exporter', kvmioMs, peerMs, note: pages }
}

/** The median times of both, who takes turns to be first. */
async function repetition(
  kvmio: Exporter,
  peer: Exporter,
  requests: number,
): Promise<[number, number]> {
  const own: number[] = []
  const other: number[] = []
  for (let count = 0; count < requests; count++) {
    if (count % 2 === 0) own.push(await timed(kvmio))
    other.push(await timed(peer))
    if (count % 2 === 1) own.push(await timed(kvmio))
  }
  return [median(own), median(other)]
}

async function timed({ scrape }: Exporter): Promise<number> {
  const start = performance.now()
  await scrape()
  return performance.now() - start
}

function described(page: string, prefix: string): string {
  const series = page.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const ofDisks = series.filter((line) => line.startsWith(prefix)).length
  return `had ${series.length} series, ${ofDisks} of them ${prefix}*, in ${page.length} bytes`
}
