// One vm on a device: with nothing in between, and through the host's page cache.
import { diskFor } from '../storage/block-device.ts'
import { BlockLayer } from './block-layer.ts'
import { fio, type Load, sequential } from './guest-load.ts'
import { compareInterval } from './iostat-interval.ts'
import { observe } from './observed.ts'
import { guestWith, type Part, studyOf } from './part.ts'

const MIB = 2 ** 20
const RANDOM = ['--bs=4k', '--ioengine=libaio', '--size=60m', '--iodepth=4']
const synced = fio('synced', 'root', '--rw=randwrite', '--fsync=1', '--number_ios=200', ...RANDOM)
const mixed = fio('mixed', 'root', '--rw=randrw', '--number_ios=4000', ...RANDOM)
const INTERVAL_SECONDS = 15

/** A block device without a filesystem: the device is the vm's alone. */
export const bare: Part = async (bench, t) => {
  const { figures } = bench
  const disk = await diskFor(t, 80 * MIB)
  const loads = [sequential('root', 256), synced, mixed]
  const { device, stretches, trace, second } = await observe(bench, t, {
    config: {
      tiers: { disk: { device: disk.path } },
      guests: { one: guestWith(bench, 'disk', { preallocation: 'off' }) },
      studies: { bare: studyOf('one', loads) },
    },
    tier: 'disk',
    study: 'bare',
    vms: ['bare-only-1'],
    loads,
    intervalSeconds: INTERVAL_SECONDS,
  })
  const layer = new BlockLayer()
  for (const stretch of stretches) layer.add(stretch, trace)
  layer.report(figures)
  figures.exact('transactions of others, by the trace', [
    { of: [...layer.others].join(', ') || 'none', expected: 0, found: layer.others.size },
  ])
  await compareInterval(figures, second!.interval, second!.after.page, device)
}

/** A cgroup v1 counts what reaches the device for whoever sent it there: what no vm began is known all the same. */
export const cached: Part = async (bench, t) => {
  const { figures } = bench
  const loads: Load[] = [sequential('root', 256), synced, mixed]
  const { device, readings, stretches, trace } = await observe(bench, t, {
    config: {
      tiers: { loop: { filesystem: { size: '256MiB' } } },
      guests: { one: guestWith(bench, 'loop', { cache: 'writeback' }) },
      studies: { cached: studyOf('one', loads) },
    },
    tier: 'loop',
    study: 'cached',
    vms: ['cached-only-1'],
    loads,
  })
  const layer = new BlockLayer()
  for (const stretch of stretches) layer.add({ ...stretch, cached: true }, trace)
  layer.report(figures)
  const { page } = readings.at(-1)!
  const series = page.all('kvmio_vm_device_writes_completed_total')
  figures.exact(`series of writes by a cgroup v1`, [
    { of: device, expected: 0, found: series.length },
  ])
}
