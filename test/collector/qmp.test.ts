// What query-blockstats gives, of a qemu that was made to read, write, flush, discard and fail: its own monitor command
// qemu-io sends operations down the drive's block graph and accounts them as the device would.
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { qmp as collector } from '../../src/collector/qmp.ts'
import { startProcess } from '../../src/lib/process.ts'
import * as m from '../../src/metrics/catalog.ts'
import type { Family } from '../../src/metrics/family.ts'
import { armHistograms, readBlockStats } from '../../src/source/blockstats.ts'
import { Qmp } from '../../src/source/qmp.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import { answering, drive, namesOf, scrapeOf, valuesOf, vm } from './host.ts'

const QDEV = '/machine/peripheral/drive-root/virtio-backend'
const BAD_SECTOR = 2048
const skip = (await missingPrograms(['qemu-system-x86_64'])) ?? false

t.test('each count of a drive, failed and invalid ones too', { skip }, async (t) => {
  const { qmp, io } = await qemuWithBadSector(t)
  await armHistograms(qmp, QDEV, [100_000, 1_000_000, 1_000_000_000])
  const collect = async () => {
    const vms = [vm('a', { qmp, drives: [drive('root')] })]
    const scrape = await scrapeOf(t, { vms })
    const samples = await collector.collect(scrape)
    t.strictSame(scrape.errors, [])
    return samples
  }
  t.notOk(
    namesOf(await collect()).includes(m.driveIdle.name),
    'not idle before the first operation',
  )

  await io('aio_write 0 64k', { writes: 1 })
  await io('aio_write 64k 64k', { writes: 2 })
  await io('aio_read 0 4k', { reads: 1 })
  await io('aio_flush', { flushes: 1 })
  await io(`aio_read ${BAD_SECTOR * 512} 4k`, { failedReads: 1 })
  await io(`aio_write ${BAD_SECTOR * 512} 4k`, { failedWrites: 1 })
  await io('aio_write -i 0 512', { invalidWrites: 1 }) // -i: as a device does with one that it refuses
  await io('discard 0 64k', {}) // which qemu-io does not account, but the file's driver does

  const samples = await collect()
  const is = (family: Family, expected: Record<string, unknown>) =>
    t.strictSame(valuesOf(samples, family), expected, family.name)
  is(m.drive.writesCompleted, { 'a root': 2 })
  is(m.drive.writtenBytes, { 'a root': 131_072 })
  is(m.drive.readsCompleted, { 'a root': 1 })
  is(m.drive.readBytes, { 'a root': 4096 })
  is(m.drive.flushes, { 'a root': 1 })
  is(m.drive.discardsCompleted, { 'a root': 0 })
  is(m.driveHighestOffset, { 'a root': BAD_SECTOR * 512 + 4096 }) // one that failed counts here
  const none = { 'a root flush': 0, 'a root unmap': 0 }
  t.match(valuesOf(samples, m.driveFailed), { 'a root read': 1, 'a root write': 1, ...none })
  t.match(valuesOf(samples, m.driveInvalid), { 'a root read': 0, 'a root write': 1, ...none })
  is(m.driveStorage.discards, { 'a root': 1 })
  is(m.driveStorage.discardedBytes, { 'a root': 65_536 })
  is(m.driveStorage.failedDiscards, { 'a root': 0 })
  is(m.driveStorage.highestOffset, { 'a root': 131_072 })

  const seconds = valuesOf(samples, m.drive.writeSeconds)['a root']
  t.match(
    valuesOf(samples, m.driveLatency.write)['a root'],
    { count: 3, sum: seconds },
    'those that failed have a latency, those that never began have none',
  )
  t.match(valuesOf(samples, m.driveLatency.read)['a root'], { count: 2 })
  t.match(valuesOf(samples, m.driveLatency.flush)['a root'], { count: 1 })
  const idle = Number(valuesOf(samples, m.driveIdle)['a root'])
  t.ok(idle > 0 && idle < 60, `idle for ${idle} s`)
})

t.test('told to keep failed ones out of the time, qemu has no sum for its histogram', async (t) => {
  const answer = [
    {
      qdev: 'drive-root',
      stats: {
        ...Object.fromEntries(
          ['rd', 'wr', 'flush'].flatMap((prefix) =>
            ['_operations', '_bytes', '_merged', '_total_time_ns']
              .map((key): [string, number] => [`${prefix}${key}`, 7])
              .concat(['failed', 'invalid'].map((key) => [`${key}_${prefix}_operations`, 1])),
          ),
        ),
        wr_highest_offset: 0,
        account_failed: false,
        wr_latency_histogram: { boundaries: [10], bins: [8, 0] },
      },
    },
  ]
  const vms = [vm('a', { qmp: answering(async () => answer), drives: [drive('root')] })]
  const samples = await collector.collect(await scrapeOf(t, { vms }))
  t.strictSame(valuesOf(samples, m.drive.writesCompleted), { 'a root': 7 })
  const names = namesOf(samples)
  t.strictSame(
    names.filter((name) => /latency|discard|zone|idle|storage/.test(name)),
    [],
    'nor what an older qemu does not give',
  )
})

interface Counts {
  reads?: number
  writes?: number
  flushes?: number
  failedReads?: number
  failedWrites?: number
  invalidWrites?: number
}

/** A paused qemu with a disk of 2 MiB of which one sector cannot be read or written. */
async function qemuWithBadSector(t: Test) {
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-drive-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const image = join(directory, 'root.raw')
  await writeFile(image, '')
  await truncate(image, 2 * 2 ** 20)
  const path = join(directory, 'qmp.sock')
  const fails = (event: string) => ({ event, errno: 5, sector: BAD_SECTOR, once: false })
  const node = {
    driver: 'raw',
    'node-name': 'format-root',
    discard: 'unmap',
    file: {
      driver: 'blkdebug',
      discard: 'unmap',
      'inject-error': [
        { ...fails('none'), iotype: 'read' },
        { ...fails('none'), iotype: 'write' },
      ],
      image: { driver: 'file', filename: image, discard: 'unmap' },
    },
  }
  const qemu = startProcess({
    file: 'qemu-system-x86_64',
    args: [
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-S', '-machine', 'pc'],
      ...['-accel', 'tcg', '-m', '32', '-blockdev', JSON.stringify(node)],
      ...['-device', '{"driver":"virtio-blk-pci","drive":"format-root","id":"drive-root"}'],
      ...['-chardev', `socket,id=qmp,path=${path},server=on,wait=off`],
      ...['-mon', 'chardev=qmp,mode=control'],
    ],
  })
  t.teardown(() => qemu.stop())
  const qmp = await connectWhenUp(path)
  t.teardown(() => qmp.close())

  /** Gives qemu an operation, and waits until it is counted: it goes on beside the monitor. */
  const io = async (operation: string, counts: Counts): Promise<void> => {
    const command = `qemu-io -d ${QDEV} "${operation}"`
    await qmp.command('human-monitor-command', { 'command-line': command })
    for (let waited = 0; waited < 200; waited++) {
      const [stats] = await readBlockStats(qmp)
      const { read, write, flush } = stats!
      const now = {
        reads: read.operations,
        writes: write.operations,
        flushes: flush.operations,
        failedReads: read.failed,
        failedWrites: write.failed,
        invalidWrites: write.invalid,
      }
      const isThere = ([key, count]: [string, number]) => now[key as keyof Counts] === count
      if (Object.entries(counts).every(isThere)) return
      await sleep(20)
    }
    throw new Error(`${operation} was not counted`)
  }
  return { qmp, io }
}

async function connectWhenUp(path: string): Promise<Qmp> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await Qmp.connect({ name: 'vm a', path })
    } catch (error) {
      if (attempt === 200) throw error
      await sleep(50)
    }
  }
}
