import type { LayerCount } from '../journal/layer-counts.ts'
import type { DriveStats } from '../source/blockstats.ts'
import { parseDiskFields, SECTOR_BYTES } from '../source/diskstats.ts'
import { driveId, type VmPlan } from './plan.ts'
import type { LastSample } from './running-vm.ts'

/** What each layer counted for a vm from its start to its end; `deviceName` gives the name of MAJ:MIN. */
export function layerCounts(
  vmId: number,
  plan: VmPlan,
  { drives, guestDisks, process, cgroup = [] }: LastSample,
  deviceName: (number: string) => string | undefined,
): LayerCount[] {
  const guest = guestDisks.map(({ drive, stat }) => guestCount(drive, stat))
  const qemu = plan.drives.flatMap(({ name }) => {
    const found = drives.find(({ id }) => id === driveId({ name }))
    return found ? [qemuCount(name, found)] : []
  })
  const own: LayerCount[] = process
    ? [
        {
          layer: 'process',
          name: '',
          readBytes: process.readBytes,
          writtenBytes: process.writtenBytes - process.cancelledBytes,
        },
      ]
    : []
  const groups = cgroup.map(
    (io): LayerCount => ({
      layer: 'cgroup',
      name: deviceName(io.device) ?? io.device,
      reads: io.readsCompleted,
      readBytes: io.readBytes,
      writes: io.writesCompleted,
      writtenBytes: io.writtenBytes,
      discards: io.discardsCompleted,
      discardedBytes: io.discardedBytes,
    }),
  )
  return [...guest, ...qemu, ...own, ...groups].map((count) => ({ ...count, vmId }))
}

function guestCount(name: string, stat: string): LayerCount {
  const { readsCompleted, readSectors, writesCompleted, writtenSectors, flushes, discards } =
    parseDiskFields(stat)
  return {
    layer: 'guest',
    name,
    reads: readsCompleted,
    readBytes: readSectors * SECTOR_BYTES,
    writes: writesCompleted,
    writtenBytes: writtenSectors * SECTOR_BYTES,
    flushes: flushes?.completed,
    discards: discards?.completed,
    discardedBytes: discards && discards.sectors * SECTOR_BYTES,
  }
}

function qemuCount(name: string, { read, write, flush, unmap }: DriveStats): LayerCount {
  return {
    layer: 'qemu',
    name,
    reads: read.operations,
    readBytes: read.bytes,
    writes: write.operations,
    writtenBytes: write.bytes,
    flushes: flush.operations,
    discards: unmap?.operations,
    discardedBytes: unmap?.bytes,
  }
}
