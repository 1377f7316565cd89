import t from 'tap'
import type { Page } from '../e2e/kvmio.ts'
import { Figures } from './figures.ts'
import { compareInterval } from './iostat-interval.ts'

// What iostat 12.6.1 prints for these counts over 20.03 s.
const REPORT = {
  ...{ disk_device: 'loop0', 'r/s': 74.89, 'w/s': 75.24, 'd/s': 0, 'f/s': 0.35 },
  ...{ 'rkB/s': 299.55, 'wkB/s': 300.95, 'rrqm/s': 0, 'wrqm/s': 0.15 },
  ...{ r_await: 0.5, w_await: 1.5, f_await: 2, 'rareq-sz': 4, 'wareq-sz': 4, 'aqu-sz': 0.15 },
  util: 10.01,
}
const GAINED = {
  ...{ reads_completed_total: 1500, writes_completed_total: 1507, flush_requests_total: 7 },
  ...{ writes_merged_total: 3, read_bytes_total: 1500 * 4096, written_bytes_total: 1507 * 4096 },
  ...{ read_time_seconds_total: 0.75, write_time_seconds_total: 2.2605 },
  ...{ flush_requests_time_seconds_total: 0.014, io_time_weighted_seconds_total: 3.0245 },
  io_time_seconds_total: 2.005,
}

function page(counts: Record<string, number>): Page {
  const value = (name: string) => counts[name.replace('kvmio_device_', '')]
  return { value, all: () => [], text: '', tookMs: 0 }
}

async function holds(counts: Record<string, number>): Promise<boolean[]> {
  const figures = new Figures()
  const interval = { before: page({}), seconds: 20, done: Promise.resolve(REPORT) }
  await compareInterval(figures, interval as never, page(counts), 'loop0')
  return figures.all.map((figure) => figure.holds)
}

t.test('one interval for all rates, to the digit', async (t) => {
  t.strictSame(await holds(GAINED), [true, true])
  for (const [name, value] of Object.entries(GAINED)) {
    const more = name.includes('bytes') ? 4096 : value > 10 ? 1 : 0.3
    const changed = await holds({ ...GAINED, [name]: value + more })
    t.ok(changed.includes(false), `${name} with one transaction more`)
  }
})
