// What a page says of a drive that a real guest has written to: its image, its limits, its histograms and its process.
import t from 'tap'
import {
  applianceOrLack,
  guestOn,
  homeFor,
  LOCAL,
  nothingLeft,
  scrape,
  serve,
  until,
} from './kvmio.ts'

const MIB = 2 ** 20
const WRITTEN = 4 * MIB
const of = { vm: 'writes-only-1', drive: 'root' }

const CONFIG = {
  tiers: { local: LOCAL },
  guests: {
    small: guestOn('local', {}, { format: 'qcow2', backing: 1, throttle: { iops: 500 } }),
  },
  studies: {
    writes: {
      guest: 'small',
      workload: {
        'boot-write-shutdown': {
          ...{ write: '4MiB', blockSize: '64KiB', to: 'device', direct: true, settle: '5m' },
        },
      },
      schedule: 'continuous',
    },
  },
}

const { lack } = await applianceOrLack()

t.test('a drive from the config to the page', { skip: lack }, async (t) => {
  const home = await homeFor(t, CONFIG)
  const serving = await serve(home)
  const allocated = 'kvmio_drive_image_allocated_bytes'
  const page = await until('its image to be looked at after the guest has written', async () => {
    const page = await scrape(serving)
    return (page.value(allocated, { ...of, depth: '0' }) ?? 0) >= WRITTEN ? page : undefined
  })
  const value = (name: string, more = {}) => page.value(`kvmio_drive_${name}`, { ...of, ...more })
  t.equal(value('throttle_transactions_per_second'), 500)
  t.equal(value('throttle_bytes_per_second'), undefined, 'it has no such limit')
  t.ok(
    value('image_allocated_bytes', { depth: '0' })! < 2 * WRITTEN,
    'little beside what was written',
  )
  t.ok(value('image_allocated_bytes', { depth: '1' })! >= 64 * MIB, 'the one under it is full')
  for (const depth of ['0', '1']) t.equal(value('image_virtual_bytes', { depth }), 64 * MIB)
  t.ok(value('storage_highest_written_offset_bytes')! >= WRITTEN)
  t.ok(value('idle_seconds')! > 0)
  for (const [name, count] of [
    ['read', 'reads_completed_total'],
    ['write', 'writes_completed_total'],
    ['flush', 'flush_requests_total'],
  ] as const) {
    const done = value(count)! + value('failed_operations_total', { operation: name })!
    t.equal(value(`${name}_latency_seconds_count`), done, `each ${name} is in a bucket`)
  }
  t.ok(value('writes_completed_total')! >= WRITTEN / (64 * 1024))
  const ofProcess = (name: string) => page.value(`kvmio_vm_process_${name}`, { vm: of.vm })!
  t.ok(ofProcess('threads') >= 2, 'a processor, and what waits for qemu itself')
  t.ok(ofProcess('open_fds') > 10 && ofProcess('open_fds') < ofProcess('max_fds'))
  t.ok(ofProcess('major_faults_total') >= 0)
  serving.kill('SIGTERM')
  await serving.end()
  await nothingLeft(t, home)
})
