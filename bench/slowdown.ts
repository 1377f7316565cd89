import { setTimeout as sleep } from 'node:timers/promises'
import { Engine } from '../src/cli/engine.ts'
import { listenWeb } from '../src/cli/listen.ts'
import type { ServeOptions } from '../src/cli/options.ts'
import { findStudies } from '../src/cli/studies.ts'
import { COLLECTOR_NAMES } from '../src/collector/all.ts'
import { loadConfig } from '../src/config/load.ts'
import { ConfigHolder } from '../src/config/watch.ts'
import { silentLog } from '../src/lib/log.ts'
import { readBlockStats } from '../src/source/blockstats.ts'
import { medianInterval } from '../src/study/statistics/bootstrap.ts'
import { figure, median, range } from './comparison.ts'
import { createHome, LOCAL } from './home.ts'
import type { Part, PartResult } from './part.ts'
import { aligned } from './table.ts'

const BLOCKS = Number(process.env.KVMIO_BENCH_BLOCKS ?? 12)
const WINDOW_MS = 5_000
const PATTERN = [false, true, true, false] // whether it is measured: off, on, on, off cancels a drift
const READY_MS = 240_000
const SETTLE_MS = 5_000

// Small reads that the host's page cache answers: nothing waits for a device, and what a processor does elsewhere shows.
const JOB = `[reads]
filename=\${KVMIO_DISK}
rw=randread
bs=4k
direct=1
ioengine=libaio
iodepth=4
time_based
runtime=15m
`

/** The operations per second of one run of fio in a guest, with and without kvmio's measuring, window by window. */
export const slowdown: Part = {
  name: 'slowdown',
  minutes: 6,

  async run(signal) {
    await using home = await createHome({
      tiers: LOCAL,
      guests: {
        reader: {
          ...{ system: 'debian', memory: '192MiB', accel: 'tcg', deadlines: { phase: '30m' } },
          drives: {
            root: { tier: 'local', size: '1GiB', format: 'raw' },
            data: {
              tier: 'local',
              size: '64MiB',
              format: 'raw',
              preallocation: 'full',
              cache: 'writeback',
            },
          },
        },
      },
      studies: {
        reads: {
          guest: 'reader',
          workload: { fio: { job: JOB, drive: 'data', to: 'device', timeout: '20m' } },
        },
      },
    })
    return await withEngine(home.configFile, (engine) => compare(engine, signal))
  },
}

async function withEngine<T>(configFile: string, act: (engine: Engine) => Promise<T>): Promise<T> {
  const options: ServeOptions = {
    ...{ configFile, listenAddress: '127.0.0.1:0', telemetryPath: '/metrics', maxRequests: 40 },
    log: { level: 'error', format: 'text' },
    collectors: new Set(COLLECTOR_NAMES),
    deviceExclude: /^(z?ram|loop|fd)\d+$/,
    ...{ procRoot: '/proc', sysRoot: '/sys' },
  }
  const config = await loadConfig(configFile)
  const holder = new ConfigHolder(config, { log: silentLog })
  const stopped = new AbortController()
  const engine = await Engine.open(options, holder, silentLog, stopped.signal)
  try {
    await engine.start()
    const [found] = await findStudies(['reads'], config)
    const study = engine.runStudy(found!, { blocks: 1 }, stopped.signal)
    study.catch(() => {}) // it is abandoned in the end, and before that `act` waits in vain
    try {
      return await act(engine)
    } finally {
      stopped.abort()
      await study.catch(() => {})
    }
  } finally {
    await engine.close()
  }
}

async function compare(engine: Engine, signal: AbortSignal): Promise<PartResult> {
  await reading(engine, signal)
  const web = await listenWeb(engine, () => undefined)
  const parts = [engine.sampler, engine.memory, engine.descriptors, engine.images, engine.iostat]
  const measuring = async (isOn: boolean): Promise<void> => {
    for (const part of parts) isOn ? part?.start() : await part?.stop()
  }
  const scrape = async () => void (await (await fetch(`${web.url}/metrics`)).text())
  const blocks: number[][] = []
  let isOn = true
  for (let block = 0; block < BLOCKS; block++) {
    const rates: number[] = []
    for (const next of PATTERN) {
      if (next !== isOn) await measuring(next)
      isOn = next
      rates.push(await rateOf(engine, signal, isOn ? scrape : undefined))
    }
    blocks.push(rates)
  }
  if (!isOn) await measuring(true)
  await web.close()
  return resultOf(blocks)
}

/** Waits until fio reads at its pace. */
async function reading(engine: Engine, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + READY_MS
  while (engine.registry.running()[0]?.phase?.name !== 'fio') {
    if (Date.now() > deadline) throw new Error(`fio does not run after ${READY_MS / 1000} s`)
    await sleep(500, undefined, { signal })
  }
  await sleep(SETTLE_MS, undefined, { signal })
}

/** Over one window, by qemu's own count, which is asked for at its beginning and its end however it is measured. */
async function rateOf(
  engine: Engine,
  signal: AbortSignal,
  scrape?: () => Promise<void>,
): Promise<number> {
  const begun = await readsOf(engine)
  const scraped = scrape?.()
  await sleep(WINDOW_MS, undefined, { signal })
  await scraped
  const ended = await readsOf(engine)
  return ((ended.reads - begun.reads) * 1000) / (ended.at - begun.at)
}

async function readsOf(engine: Engine): Promise<{ reads: number; at: number }> {
  const [vm] = engine.registry.records()
  if (!vm?.qmp) throw new Error('the guest has ended before the benchmark has')
  const drives = await readBlockStats(vm.qmp)
  const reads = drives.reduce((sum, { read }) => sum + read.operations, 0)
  return { reads, at: performance.now() }
}

function resultOf(blocks: readonly number[][]): PartResult {
  const ofMode = (isOn: boolean) =>
    blocks.flatMap((rates) => rates.filter((_, i) => PATTERN[i] === isOn))
  const mean = (values: readonly number[]) =>
    values.reduce((sum, value) => sum + value, 0) / values.length
  const ratios = blocks.map((rates) => {
    const of = (isOn: boolean) => mean(rates.filter((_, i) => PATTERN[i] === isOn))
    return of(false) / of(true)
  })
  const interval = medianInterval(ratios, { seed: 1 })
  const row = (what: string, values: readonly number[]) => [
    what,
    figure(median(values)),
    range(values).map(figure).join('–'),
  ]
  const table = aligned([
    ['fio, operations/s', 'median', 'range'],
    row('without measuring', ofMode(false)),
    row('with the sampler, and a scrape each 5 s', ofMode(true)),
  ])
  const shown = interval
    ? `${interval.low.toFixed(3)} to ${interval.high.toFixed(3)}`
    : `no interval from ${BLOCKS} blocks`
  return {
    report: [
      table,
      `Slowdown: median ratio ${median(ratios).toFixed(3)} of ${BLOCKS} blocks (off, on, on, off), 95 % interval ${shown} (bootstrap over blocks).`,
    ],
    targets: [
      {
        what: "slowdown of a guest's fio by measuring",
        bar: 'the interval includes 1.00',
        figure: shown,
        isMet: interval !== undefined && interval.low <= 1 && interval.high >= 1,
      },
    ],
  }
}
