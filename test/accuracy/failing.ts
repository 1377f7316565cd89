// A disk that fails on command: what of an operation that failed is counted where.
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startProcess } from '../../src/lib/process.ts'

import type { Figures, Pair } from './figures.ts'
import type { Load } from './guest-load.ts'
import { gainer, histogramPairs } from './layers.ts'
import { guestWith, type Part, studyOf } from './part.ts'
import { awaitRuns, openStage, type Reading, read, readHeld } from './stage.ts'

const VM = 'failing-only-1'
const COUNT = 40
const BLOCK = 4096

/** One operation at a time, so that one that fails ends no others; dd's failure is what is wanted. */
function each(name: string, options: string): Load {
  const command = `for at in $(seq ${COUNT}); do dd bs=${BLOCK} count=1 ${options} 2>/dev/null || true; done`
  return { name, drive: 'root', command }
}

const READS = 'if=$disk of=/dev/null skip=$at iflag=direct'
const WRITES = 'if=/dev/zero of=$disk seek=$at oflag=direct conv=notrunc'
/** The disk fails during the second two. */
const LOADS = [
  each('good reads', READS),
  each('good writes', WRITES),
  each('failing reads', READS),
  each('failing writes', WRITES),
]
const FIRST_FAILING = 2

export const failing: Part = async (bench, t) => {
  const socket = join(bench.directory, 'failing.sock')
  const trigger = join(bench.directory, 'fails')
  const errors = ['pread', 'pwrite'].flatMap((call) => [
    `error-${call}-rate=100%`,
    `error-${call}-file=${trigger}`,
  ])
  const server = startProcess({
    file: 'nbdkit',
    args: ['-f', '-U', socket, '--filter=error', 'memory', '64M', ...errors],
  })
  t.teardown(() => server.stop())
  const stage = await openStage(t, {
    tiers: { remote: { url: `nbd+unix:///?socket=${socket}` } },
    guests: { one: guestWith(bench, 'remote', { preallocation: 'off' }) },
    studies: { failing: studyOf('one', LOADS) },
  })
  const readings: Reading[] = []
  for (let loads = 0; loads <= LOADS.length; loads++) {
    const reading = await readHeld(stage, [VM], loads, async (serving) => {
      if (loads === FIRST_FAILING) await writeFile(trigger, '')
      return await read(serving)
    })
    readings.push(reading)
  }
  await rm(trigger)
  await awaitRuns(stage, 'failing')
  compare(bench.figures, readings)
}

function compare(figures: Figures, readings: readonly Reading[]): void {
  const drive: Pair[] = []
  const guest: Pair[] = []
  for (const [index, { name }] of LOADS.entries()) {
    const gained = gainer(readings[index]!.page, readings[index + 1]!.page)
    const fails = name.startsWith('failing')
    const [operation, completed, bytes] = name.endsWith('reads')
      ? ['read', 'reads_completed_total', 'read_bytes_total']
      : ['write', 'writes_completed_total', 'written_bytes_total']
    const inQemu = (metric: string, more = {}) =>
      gained(`kvmio_drive_${metric}`, { vm: VM, drive: 'root', ...more })
    const [good, bad] = fails ? [0, COUNT] : [COUNT, 0]
    const histogram = inQemu(`${operation}_latency_seconds_count`)
    drive.push(
      { of: `${name} completed`, expected: good, found: inQemu(completed!) },
      { of: `${name} bytes`, expected: good * BLOCK, found: inQemu(bytes!) },
      {
        of: `${name} failed`,
        expected: bad,
        found: inQemu('failed_operations_total', { operation }),
      },
      { of: `${name} in the histogram`, expected: COUNT, found: histogram },
    )
    const inGuest = (metric: string) => gained(`kvmio_guest_disk_${metric}`, { vm: VM })
    guest.push(
      { of: `${name} completed`, expected: COUNT, found: inGuest(completed!) },
      { of: `${name} bytes`, expected: COUNT * BLOCK, found: inGuest(bytes!) },
    )
  }
  figures.exact('qemu: completed, their bytes, failed, and both in the histogram', drive)
  // block/blk-mq.c: blk_update_request accounts the bytes of a request whatever its status.
  figures.exact("the guest's kernel: completed with those that failed, and their bytes", guest)
  const { counts, sums } = histogramPairs(readings.at(-1)!.page, { vm: VM, drive: 'root' })
  figures.exact('histogram counts, and operations with those that failed', counts)
  figures.exact('histogram sums and total times, with those that failed', sums)
}
