// A disk that serves one request at a time in a known time, at several depths: Little's law, at the device and per drive.
import { setTimeout as sleep } from 'node:timers/promises'
import { guestSays } from '../e2e/kvmio.ts'
import { BlockLayer } from './block-layer.ts'
import type { Pair } from './figures.ts'
import { fio, loadPhase } from './guest-load.ts'
import { compareInterval } from './iostat-interval.ts'
import { gainer } from './layers.ts'
import { observe } from './observed.ts'
import { guestWith, type Part, studyOf } from './part.ts'
import { type Reading, read } from './stage.ts'
import { between, meanInFlight } from './transactions.ts'

const DEPTHS = [1, 2, 4, 8]
/** Where the guest has the next request there before the last one has ended, on a busy host too. */
const SATURATED = 8
const SERVICE_SECONDS = 0.01
/** docs/emulated-disk.md: a request of 10 ms takes 10.4 ms in all. */
const MEASURED_SECONDS = 0.0104
/** fio starts for a second or two, and then runs for this long. */
const RUN_SECONDS = 9
const BEGIN_MS = 3_000
const STRETCH_MS = 5_000
const INTERVAL_SECONDS = 22

/** Requests that this disk takes in two, since its loop device has none above 512 KiB. */
const LARGE = fio('large', 'root', '--rw=read', '--bs=1m', '--ioengine=psync', '--size=32m')
const LOADS = [
  LARGE,
  ...DEPTHS.map((depth) => {
    const options = ['--bs=4k', '--size=60m', '--time_based', `--runtime=${RUN_SECONDS}`]
    const name = `depth-${depth}`
    return fio(name, 'root', '--rw=randread', '--ioengine=libaio', `--iodepth=${depth}`, ...options)
  }),
]

export const queue: Part = async (bench, t) => {
  const { figures } = bench
  const within = new Map<string, [Reading, Reading]>()
  const { device, stretches, trace, second } = await observe(bench, t, {
    config: {
      tiers: {
        slow: { filesystem: { size: '128MiB' }, emulate: { serviceTime: `${SERVICE_SECONDS}s` } },
      },
      guests: { one: guestWith(bench, 'slow') },
      studies: { queue: studyOf('one', LOADS) },
    },
    tier: 'slow',
    study: 'queue',
    vms: [VM],
    loads: LOADS,
    intervalSeconds: INTERVAL_SECONDS,
    async during({ home, serving }, { name }, number) {
      if (name === LARGE.name) return
      await guestSays(home, VM, ` phase ${loadPhase(number)}\n`)
      await sleep(BEGIN_MS)
      const from = await read(serving)
      await sleep(STRETCH_MS)
      within.set(name, [from, await read(serving)])
    },
  })
  const layer = new BlockLayer()
  for (const stretch of stretches) layer.add(stretch, trace)
  layer.report(figures)
  await compareInterval(figures, second!.interval, second!.after.page, device)

  const steady = DEPTHS.map((depth) => {
    const name = `depth-${depth}`
    const [from, to] = within.get(name)!
    const { before, after } = stretches.find((stretch) => stretch.name === name)! // at rest, so that nothing is in flight at its beginning
    const traced = meanInFlight(between(trace, before.at, after.at), from.at, to.at)
    return { depth, traced, ...rates(from, to, device) }
  })
  const pairs = (of: (each: Steady) => Omit<Pair, 'of'>, least = 1) =>
    steady
      .filter(({ depth }) => depth >= least)
      .map((each) => ({ of: `depth ${each.depth}`, ...of(each) }))
  figures.relative(
    "Little's law at the device: X R by kvmio_device_*, and the queue by each beginning and end in the trace",
    pairs(({ device, traced }) => ({ expected: traced, found: device.rate * device.latency })),
    edge(steady),
    `requests count when they end: those at the edges of ${STRETCH_MS / 1000} s count whole or not at all`,
  )
  figures.absolute(
    "Little's law at the device: weighted time and X R, in requests",
    pairs(({ device }) => ({ expected: device.rate * device.latency, found: device.queue })),
    (2 * TIMES.length) / STRETCH_MS,
    'the kernel makes one of the others (block/genhd.c), each cut to a millisecond at both ends',
  )
  figures.relative(
    "Little's law per drive: X R by kvmio_drive_* is between the device's queue and fio's depth",
    pairs(({ depth, drive, traced }) => {
      const found = drive.rate * drive.latency
      return { expected: Math.min(Math.max(found, traced), depth), found }
    }),
    edge(steady),
    'likewise',
  )
  figures.relative(
    "Little's law per drive: X R by kvmio_drive_*, and fio's depth where that is most",
    pairs(
      ({ depth, drive }) => ({ expected: depth, found: drive.rate * drive.latency }),
      SATURATED,
    ),
    0.15,
    "before and after qemu a request is the guest's, on an emulated processor",
  )
  figures.relative(
    'throughput of one server that is never idle, 1 / 10.4 ms',
    pairs(({ device }) => ({ expected: 1 / MEASURED_SECONDS, found: device.rate }), SATURATED),
    0.15,
    'what a request takes beyond 10 ms is the work of two daemons, on processors that others use',
  )
  const [alone] = steady
  figures.relative(
    'latency with nobody before, 10.4 ms',
    [{ of: 'depth 1', expected: MEASURED_SECONDS, found: alone!.device.latency }],
    0.2,
    'likewise',
  )
}

type Steady = { depth: number; traced: number; device: Rates; drive: Rates }

const VM = 'queue-only-1'

/** A journal's writes and flushes are requests like others. */
const TIMES = ['read_time_seconds', 'write_time_seconds', 'flush_requests_time_seconds']

/** How late the counters of a page may be read after the time that it is said to be of. */
const SCRAPE_SECONDS = 0.05

/** What of a queue stands at the edges of the stretch: a request's whole time, of the queue before one server. */
function edge(steady: readonly Steady[]): number {
  const longest = Math.max(...steady.map(({ device }) => device.latency))
  return ((longest + SCRAPE_SECONDS) * 1000) / STRETCH_MS
}

interface Rates {
  /** Per second. */
  rate: number
  /** Seconds. */
  latency: number
  queue: number
}

/** As PromQL would have them, between two scrapes. */
function rates(from: Reading, to: Reading, device: string): { device: Rates; drive: Rates } {
  const gained = gainer(from.page, to.page)
  const seconds = Number(to.at - from.at) / 1e9
  const of = (prefix: string, labels: Record<string, string>): Rates => {
    const sum = (suffixes: readonly string[]) =>
      suffixes.reduce((all, suffix) => all + gained(`${prefix}_${suffix}_total`, labels), 0)
    const operations = sum(['reads_completed', 'writes_completed'])
    return {
      rate: operations / seconds,
      latency: sum(TIMES) / operations,
      queue: sum(['io_time_weighted_seconds']) / seconds,
    }
  }
  return {
    device: of('kvmio_device', { device }),
    drive: of('kvmio_drive', { vm: VM, drive: 'root' }),
  }
}
