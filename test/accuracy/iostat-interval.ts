// A second opinion: an iostat of the suite's own, over one whole interval between two moments at which the device rests.
import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type Page, type Serving, scrape } from '../e2e/kvmio.ts'
import type { Figures, Pair } from './figures.ts'
import { readAtRest, statOf } from './stage.ts'

const exec = promisify(execFile)
const WATCH_MS = 200
/** iostat has its first reading a few milliseconds after its start. */
const FIRST_READING_MS = 300

export interface IostatInterval {
  /** kvmio's page at its beginning. */
  before: Page
  seconds: number
  /** The one report, by iostat's own names: r/s, w_await, aqu-sz, util. */
  done: Promise<Record<string, number>>
}

/** Begins with a reading of kvmio's and one of iostat's, between which the device did nothing. */
export async function startInterval(
  serving: Serving,
  device: string,
  seconds: number,
): Promise<IostatInterval> {
  for (let tries = 5; ; tries--) {
    const before = await readAtRest(serving, device)
    const line = await statOf(device)
    const interval = await spawnIostat(device, seconds)
    if ((await statOf(device)) === line) return { before: before.page, ...interval }
    if (tries === 0) throw new Error(`${device} did not rest while iostat began`)
  }
}

async function spawnIostat(
  device: string,
  seconds: number,
): Promise<Omit<IostatInterval, 'before'>> {
  // -y leaves out the report since boot; LC_ALL for its decimal point.
  const args = ['-dxyk', '-o', 'JSON', device, String(seconds), '1']
  const done = exec('iostat', args, { env: { ...process.env, LC_ALL: 'C' } }).then(({ stdout }) => {
    const { disk } = JSON.parse(stdout).sysstat.hosts[0].statistics[0]
    return disk[0] as Record<string, number>
  })
  done.catch(() => {}) // whoever awaits it gets the error
  await sleep(FIRST_READING_MS)
  return { seconds, done }
}

// iostat prints two digits behind the point.
const ROUNDING = 0.005 + 1e-9
const KIB = 1024
/** What iostat divides by is an interval in whole hundredths of a second (/proc/uptime); how much longer it may sleep. */
const LATE_HUNDREDTHS = 100

/** iostat's name, and kvmio's counter in its unit. */
const RATES: readonly [name: string, metric: string, per: number][] = [
  ['r/s', 'reads_completed_total', 1],
  ['w/s', 'writes_completed_total', 1],
  ['d/s', 'discards_completed_total', 1],
  ['f/s', 'flush_requests_total', 1],
  ['rrqm/s', 'reads_merged_total', 1],
  ['wrqm/s', 'writes_merged_total', 1],
  ['rkB/s', 'read_bytes_total', KIB],
  ['wkB/s', 'written_bytes_total', KIB],
  ['aqu-sz', 'io_time_weighted_seconds_total', 1],
  ['util', 'io_time_seconds_total', 0.01],
]

const MEANS: readonly [name: string, metric: string, count: string, per: number][] = [
  ['r_await', 'read_time_seconds_total', 'reads_completed_total', 1e-3],
  ['w_await', 'write_time_seconds_total', 'writes_completed_total', 1e-3],
  ['f_await', 'flush_requests_time_seconds_total', 'flush_requests_total', 1e-3],
  ['rareq-sz', 'read_bytes_total', 'reads_completed_total', KIB],
  ['wareq-sz', 'written_bytes_total', 'writes_completed_total', KIB],
]

/**
 * Holds the report against what kvmio's counters gained. iostat does not say how long its interval was in the end; there
 * has to be one, in hundredths of a second, with which all its rates are kvmio's to the last digit that it prints.
 */
export async function compareInterval(
  figures: Figures,
  { before, seconds, done }: IostatInterval,
  after: Page,
  device: string,
): Promise<void> {
  const report = await done
  const gained = (metric: string) => {
    const name = `kvmio_device_${metric}`
    return (after.value(name, { device }) ?? 0) - (before.value(name, { device }) ?? 0)
  }
  const rates = (hundredths: number): Pair[] =>
    RATES.flatMap(([name, metric, per]) => {
      const found = ((gained(metric) / per) * 100) / hundredths
      return report[name] === undefined ? [] : [{ of: name, expected: report[name], found }]
    })
  const worst = (pairs: readonly Pair[]) =>
    Math.max(...pairs.map(({ expected, found }) => Math.abs(expected - found)))
  const lengths = Array.from({ length: LATE_HUNDREDTHS }, (_, late) => seconds * 100 + late)
  const best = lengths.reduce((a, b) => (worst(rates(b)) < worst(rates(a)) ? b : a))
  const means = MEANS.flatMap(([name, metric, count, per]): Pair[] => {
    const of = gained(count)
    if (report[name] === undefined || of === 0) return []
    return [{ of: name, expected: report[name], found: gained(metric) / of / per }]
  })
  figures.absolute(
    'kvmio_device_* and iostat, its rates, queue length and utilisation',
    rates(best),
    ROUNDING,
    `iostat's two digits, over the ${best / 100} s that it took`,
  )
  figures.absolute(
    'kvmio_device_* and iostat, means of times and sizes',
    means,
    ROUNDING,
    "iostat's two digits",
  )
}

/** Sums of what kvmio's own iostat said, second by second. */
export interface SeriesSum {
  operations: number
  bytes: number
  /** In which something was done. */
  seconds: number
}

/** Follows the series on the page until it is stopped: a reading that differs from the one before is the next second's. */
export function followSeries(serving: Serving, device: string): { stop(): Promise<SeriesSum> } {
  const readings: number[][] = []
  let going = true
  const follow = async () => {
    let last = ''
    while (going) {
      const page = await scrape(serving, '?collect[]=iostat')
      const reading = SERIES.map((name) => page.value(`kvmio_iostat_${name}`, { device }) ?? 0)
      if (reading.join() !== last) readings.push(reading)
      last = reading.join()
      await sleep(WATCH_MS)
    }
  }
  const done = follow()
  done.catch(() => {}) // whoever stops it gets the error
  return {
    async stop() {
      going = false
      await done
      const sum = (index: number) => readings.reduce((all, reading) => all + reading[index]!, 0)
      const busy = readings.filter(([reads = 0, writes = 0]) => reads + writes > 0)
      return { operations: sum(0) + sum(1), bytes: sum(2) + sum(3), seconds: busy.length }
    },
  }
}

const SERIES = [
  ...['reads_per_second', 'writes_per_second', 'read_bytes_per_second', 'written_bytes_per_second'],
  ...['queue_length', 'write_await_seconds'],
]
