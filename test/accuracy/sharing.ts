// Two vms at once on one device, past the host's page cache: whose each transaction was, by the kernel's own trace.
import type { Page } from '../e2e/kvmio.ts'
import { BlockLayer, tracedVm } from './block-layer.ts'
import type { Figures } from './figures.ts'
import { fio, type Load, sequential } from './guest-load.ts'
import {
  compareInterval,
  followSeries,
  type IostatInterval,
  type IostatSeries,
  startInterval,
} from './iostat-interval.ts'
import { gainer } from './layers.ts'
import { guestWith, type Part, studyOf } from './part.ts'
import {
  awaitRuns,
  deviceOf,
  openStage,
  type Reading,
  read,
  readAtRest,
  readHeld,
} from './stage.ts'
import { startTrace } from './trace.ts'

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

export const sharing: Part = async ({ figures, ...bench }, t) => {
  const stage = await openStage(t, {
    tiers: { loop: { filesystem: { size: '512MiB' } } },
    guests: { two: guestWith({ figures, ...bench }, 'loop') },
    studies: { share: studyOf('two', LOADS, { vms: 2 }) },
  })
  const { device, major, minor } = await deviceOf(stage, 'loop')
  const trace = await startTrace(major, minor, bench.directory)
  t.teardown(() => trace.stop())
  const vms = ['share-only-1', 'share-only-2']
  const atRest = (serving: typeof stage.serving) => readAtRest(serving, device)

  const readings = [await readHeld(stage, vms, 0, atRest)]
  const traced = await Promise.all(vms.map((vm) => tracedVm(stage, vm)))
  for (let loads = 1; loads < LOADS.length - 1; loads++)
    readings.push(await readHeld(stage, vms, loads, atRest))

  // iostat's interval begins and ends while the vms are held and the device is at rest.
  let second: { interval: IostatInterval; series: IostatSeries } | undefined
  const last = LOADS.length - 1
  readings.push(
    await readHeld(stage, vms, last, async (serving) => {
      const reading = await atRest(serving)
      second = {
        interval: await startInterval(serving, device, INTERVAL_SECONDS),
        series: followSeries(serving, device),
      }
      return reading
    }),
  )
  const { interval, series } = second!
  let ended: Page | undefined
  readings.push(
    await readHeld(stage, vms, LOADS.length, async (serving) => {
      await interval.done
      ended = (await read(serving)).page
      return await atRest(serving)
    }),
  )
  await awaitRuns(stage, 'share')

  const events = await trace.stop()
  const layer = new BlockLayer()
  for (const [index, { name }] of LOADS.entries()) {
    const [before, after] = [readings[index]!, readings[index + 1]!]
    layer.add({ name, device, vms: traced, before, after }, events)
  }
  layer.report(figures)
  console.log(`  of no vm: ${[...layer.others].sort().join(', ')}`)
  await compareInterval(figures, interval, ended!, device)
  await compareSeries(figures, series, readings.slice(-2), device)
}

/** iostat divides by its own second, which has a hundredth or two more. */
const SECOND_ERROR = 0.02

async function compareSeries(
  figures: Figures,
  series: IostatSeries,
  [before, after]: readonly Reading[],
  device: string,
): Promise<void> {
  const { operations, bytes, seconds } = await series.stop()
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
