// What a load issues, the guest's kernel counts and qemu does: on each bus, past the host's page cache and through it.
import type { Figures, Pair } from './figures.ts'
import { fio, type Load, sequential } from './guest-load.ts'
import { driveGained, guestGained, guestSent, histogramPairs, issuedBy, pairsOf } from './layers.ts'
import { type Bench, guestWith, type Part, studyOf } from './part.ts'
import { awaitRuns, openStage, type Reading, readHeld, resultOf, type Stage } from './stage.ts'

const BUSES = ['virtio-blk', 'virtio-scsi', 'ide', 'sata', 'nvme'] as const
/** One study at a time has a tier. */
const TIERS = ['first', 'second']
type Bus = (typeof BUSES)[number]

const RANDOM = ['--bs=4k', '--ioengine=libaio', '--iodepth=4']
const LOADS: readonly Load[] = [
  sequential('root', 256),
  fio('mixed', 'root', '--rw=randrw', '--size=60m', '--number_ios=1500', ...RANDOM),
  fio('synced', 'root', '--rw=randwrite', '--bs=4k', '--size=60m', '--number_ios=150', '--fsync=1'),
  fio('cached', 'cached', '--rw=randrw', '--size=14m', '--number_ios=600', '--fsync=20', ...RANDOM),
]

export const buses: Part = async (bench, t) => {
  const stage = await openStage(t, {
    tiers: Object.fromEntries(TIERS.map((tier) => [tier, { filesystem: { size: '256MiB' } }])),
    guests: Object.fromEntries(BUSES.map((bus) => [bus, guestOn(bench, bus)])),
    studies: Object.fromEntries(BUSES.map((bus) => [bus, studyOf(bus, LOADS)])),
  })
  // Two at a time, in the order in which the tiers are theirs.
  const readings = await Promise.all(
    BUSES.map(async (bus) => {
      const readings = await readEach(stage, vmOf(bus))
      await awaitRuns(stage, bus)
      return readings
    }),
  )
  for (const [index, bus] of BUSES.entries()) compare(bench.figures, stage, bus, readings[index]!)
}

function guestOn(bench: Bench, bus: Bus) {
  const tier = TIERS[BUSES.indexOf(bus) % TIERS.length]!
  const cached = { tier, bus, format: 'raw', size: '16MiB', cache: 'writeback' }
  return guestWith(bench, tier, { bus }, { cached })
}

async function readEach(stage: Stage, vm: string): Promise<Reading[]> {
  const readings: Reading[] = []
  for (let loads = 0; loads <= LOADS.length; loads++)
    readings.push(await readHeld(stage, [vm], loads))
  return readings
}

function compare(figures: Figures, stage: Stage, bus: Bus, readings: readonly Reading[]): void {
  const vm = vmOf(bus)
  const [inGuest, inQemu]: [Pair[], Pair[]] = [[], []]
  for (const [index, load] of LOADS.entries()) {
    const [before, after] = [readings[index]!.page, readings[index + 1]!.page]
    const labels = { vm, drive: load.drive }
    const issued = issuedBy(load, (name) => resultOf(stage, vm, name))
    inGuest.push(...pairsOf(load.name, issued, guestGained(before, after, labels)))
    // qemu's nvme flushes without counting it (hw/nvme/ctrl.c), and kvmio has no series then.
    const keys = (['reads', 'readBytes', 'writes', 'writtenBytes', 'flushes'] as const).filter(
      (key) => key !== 'flushes' || bus !== 'nvme',
    )
    const [sent, done] = [guestSent(before, after, labels), driveGained(before, after, labels)]
    inQemu.push(...pairsOf(load.name, sent, done, keys))
  }
  figures.exact(`${bus}: the guest's counters and what dd and fio issued`, inGuest)
  figures.exact(
    `${bus}: qemu's and the guest's${bus === 'nvme' ? ', but for flushes' : ''}`,
    inQemu,
  )
  const { page } = readings.at(-1)!
  const drives = ['root', 'cached'].map((drive) => histogramPairs(page, { vm, drive }))
  figures.exact(
    `${bus}: histogram counts and operations`,
    drives.flatMap(({ counts }) => counts),
  )
  figures.exact(
    `${bus}: histogram sums and total times`,
    drives.flatMap(({ sums }) => sums),
  )
  const absent = page.all('kvmio_vm_device_writes_completed_total').length
  figures.exact(`${bus}: series of writes by a cgroup v1 that host-cached drives are in`, [
    { of: vm, expected: 0, found: absent },
  ])
}

function vmOf(bus: Bus): string {
  return `${bus}-only-1`
}
