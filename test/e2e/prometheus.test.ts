import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { freePort } from '../ports.ts'
import { type Query, startPrometheus } from '../prometheus/servers.ts'
import { lacking } from '../tools.ts'
import { applianceOrLack, guestOn, homeFor, LOCAL, serve, until, writes } from './kvmio.ts'

const WRITE_BYTES = 8 * 2 ** 20
const BLOCK_BYTES = 64 * 2 ** 10

const CONFIG = {
  tiers: { local: LOCAL },
  guests: { tiny: guestOn('local') },
  studies: {
    load: {
      guest: 'tiny',
      workload: writes(`${WRITE_BYTES}B`, `${BLOCK_BYTES}B`, '8s'),
      schedule: 'continuous',
      pause: '5m',
    },
  },
}

const { lack } = await applianceOrLack()

t.test(
  'a real Prometheus scrapes real guests',
  { skip: lack || lacking('prometheus') },
  async (t) => {
    const home = await homeFor(t, CONFIG)
    // Prometheus first, which takes 5 s to find its targets: what a device had written before the load is needed too.
    const address = `127.0.0.1:${await freePort()}`
    const query = await startShipped(home.directory, address)
    await until('Prometheus to know its target', async () => (await query('up')).length === 1)
    await serve(home, '--web.listen-address', address)

    await until('the vm to have passed', async () => {
      const [series] = await query('kvmio_vm_outcome')
      return series?.metric.outcome === 'passed'
    })
    const one = async (expression: string): Promise<number> => {
      const result = await query(expression)
      t.equal(result.length, 1, `${expression} gives one series`)
      return Number(result[0]?.value[1])
    }
    const last = (name: string, more = '') =>
      one(`max_over_time(${name}{vm="load-only-1"${more}}[5m])`)

    t.equal(await one('up{job="kvmio"}'), 1)

    const guestWrites = await last('kvmio_guest_disk_writes_completed_total')
    const writes = await last('kvmio_drive_writes_completed_total')
    const flushes = await last('kvmio_drive_flush_requests_total')
    t.equal(writes, WRITE_BYTES / BLOCK_BYTES, 'qemu saw each write of the load once')
    t.equal(guestWrites, writes + flushes, "the guest's writes are the drive's writes and flushes")
    t.equal(await last('kvmio_drive_written_bytes_total'), WRITE_BYTES)
    t.equal(
      await last('kvmio_guest_disk_written_bytes_total'),
      WRITE_BYTES,
      'the same bytes in the guest',
    )
    t.ok(
      (await last('kvmio_vm_device_written_bytes_total')) >= WRITE_BYTES,
      'O_DIRECT: all of it at the device',
    )
    const device = await one(
      'max_over_time(kvmio_device_written_bytes_total[5m]) - min_over_time(kvmio_device_written_bytes_total[5m])' +
        ' and on (device) kvmio_tier_device_info{tier="local"}',
    )
    t.ok(device >= WRITE_BYTES, `the device itself wrote ${device} bytes`)
    const image = 'max_over_time(kvmio_drive_image_info{vm="load-only-1",depth="0"}[5m])'
    const onTier = `${image} * on (device) group_left (tier) kvmio_tier_device_info`
    t.equal(await one(onTier), 1, 'its image lies on the device of its tier')
    const leaves = await query(`kvmio_device_leaf_info and on (device) ${image}`)
    t.ok(leaves.length > 0, 'and that on a disk')

    for (const [operation, count] of [
      ['read', 'reads_completed'],
      ['write', 'writes_completed'],
      ['flush', 'flush_requests'],
    ] as const) {
      const counted = await last(`kvmio_drive_${operation}_latency_seconds_count`)
      t.equal(
        counted,
        await last(`kvmio_drive_${count}_total`),
        `the histogram holds each ${operation}`,
      )
      const sum = await last(`kvmio_drive_${operation}_latency_seconds_sum`)
      const seconds = await last(
        `kvmio_drive_${operation === 'flush' ? 'flush_requests' : operation}_time_seconds_total`,
      )
      t.equal(sum, seconds, `and its sum is the exact time of the ${operation}s`)
    }

    await until('the series of the vm to end', async () => {
      return (await query('kvmio_drive_writes_completed_total')).length === 0
    })
    t.strictSame(await query('kvmio_guest_disk_writes_completed_total'), [])
    t.strictSame(await query('kvmio_vm_process_written_bytes_total'), [])
    t.equal(await one('kvmio_vm_outcome{outcome="passed"}'), 1, 'its outcome stays')
    t.equal(await one('kvmio_vm_info{accelerator="tcg"}'), 1, 'and so does what it is')
    t.equal(await one('kvmio_vm_up'), 0)
    // The run ends when its data is on the device, which takes longer than the vm.
    await until('the run to have ended', async () => {
      return (await query('kvmio_study_runs_total{outcome="passed"} > 0')).length === 1
    })
    t.equal(await one('kvmio_study_runs_total{outcome="passed"}'), 1)

    /** With the shipped configuration; only its pace and its targets are the test's. */
    async function startShipped(directory: string, target: string): Promise<Query> {
      const shipped = join(import.meta.dirname, '../../prometheus')
      const own = join(directory, 'prometheus')
      await cp(shipped, own, { recursive: true })
      const config = await readFile(join(shipped, 'prometheus.yml'), 'utf8')
      await writeFile(join(own, 'prometheus.yml'), config.replaceAll(/(_interval): 10s/g, '$1: 1s'))
      await writeFile(join(own, 'targets/local.yml'), `- targets: ['${target}']\n`)
      return startPrometheus(t, join(own, 'prometheus.yml'))
    }
  },
)
