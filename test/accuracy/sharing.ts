// Two vms at once on one device, past the host's page cache: whose each transaction was, by the kernel's own trace.
import { BlockLayer } from './block-layer.ts'
import type { Figures } from './figures.ts'
import { fio, type Load, sequential } from './guest-load.ts'
import { compareInterval, type SeriesSum } from './iostat-interval.ts'
import { gainer } from './layers.ts'
import { observe } from './observed.ts'
import { guestWith, type Part, studyOf } from './part.ts'
import type { Reading } from './stage.ts'

const RANDOM = ['--bs=4k', '--ioengine=libaio', '--size=60m']
const LOADS: readonly Load[] = [
  sequential('root', 256),
  fio('large', 'root', '--rw=rw', '--bs=1m', '--ioengine=psync', '--size=60m', '--number_ios=60'),
  fio('mixed', 'root', '--rw=randrw', '--iodepth=4', '--number_ios=6000', ...RANDOM),
  fio('synced', 'root', '--rw=randwrite', '--fsync=1', '--number_ios=200', ...RANDOM),
  fio(
    'paced',
    'root',
    '--rw=randrw',
    '--rate_iops=200',
    '--number_ios=3000',
    '--iodepth=8',
    ...RANDOM,
  ),
]
/** The last load, whose 7.5 s it covers, and the journal's commit 5 s later. */
const INTERVAL_SECONDS = 24

export const sharing: Part = async (bench, t) => {
  const { figures } = bench
  const { device, readings, stretches, trace, second } = await observe(bench, t, {
    config: {
      tiers: { loop: { filesystem: { size: '512MiB' } } },
      guests: { two: guestWith(bench, 'loop') },
      studies: { share: studyOf('two', LOADS, { vms: 2 }) },
    },
    tier: 'loop',
    study: 'share',
    vms: ['share-only-1', 'share-only-2'],
    loads: LOADS,
    intervalSeconds: INTERVAL_SECONDS,
  })
  const layer = new BlockLayer()
  for (const stretch of stretches) layer.add(stretch, trace)
  layer.report(figures)
  const { interval, series, after } = second!
  await compareInterval(figures, interval, after.page, device)
  compareSeries(figures, series, readings.slice(-2), device)
}

/** iostat divides by its own second, which has a hundredth or two more. */
const SECOND_ERROR = 0.02

function compareSeries(
  figures: Figures,
  { operations, bytes, seconds }: SeriesSum,
  [before, after]: readonly Reading[],
  device: string,
): void {
  const gained = gainer(before!.page, after!.page)
  const of = (metric: string) => gained(`kvmio_device_${metric}`, { device })
  figures.relative(
    `kvmio_iostat_* over ${seconds} busy seconds, and what kvmio_device_* gained`,
    [
      {
        of: 'operations',
        expected: of('reads_completed_total') + of('writes_completed_total'),
        found: operations,
      },
      {
        of: 'bytes',
        expected: of('read_bytes_total') + of('written_bytes_total'),
        found: bytes,
      },
    ],
    SECOND_ERROR,
    'iostat divides by hundredths of a second, and its second is up to two too long',
  )
}
