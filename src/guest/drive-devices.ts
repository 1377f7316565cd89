import { topNode } from './block-node.ts'
import { CACHE_MODES } from './cache-mode.ts'
import { type DrivePlan, driveId } from './plan.ts'

// The disks of a vm and the controllers that they hang on, as -device takes them.

type Options = Record<string, unknown>

/**
 * What stands between the drives of a vm and its machine: I/O threads as objects, then controllers, then disks. The BIOS
 * boots from the drive that is named: SeaBIOS has drivers for every bus (all seven tried with 1.16.2).
 */
export function driveDevices(
  drives: readonly DrivePlan[],
  bootDrive?: string,
): {
  objects: Options[]
  devices: Options[]
} {
  const objects = drives.flatMap((drive) =>
    drive.iothread ? [{ 'qom-type': 'iothread', id: iothreadId(drive) }] : [],
  )
  return { objects, devices: [...controllers(drives), ...disks(drives, bootDrive)] }
}

const SHARED_CONTROLLERS = { sata: 'ahci', scsi: 'lsi53c895a', pvscsi: 'pvscsi' } as const

/**
 * The controllers that the buses need; virtio-blk and nvme disks are their own, and the machine has that of IDE. Each
 * virtio-scsi disk has one to itself, since queues and the I/O thread are the controller's.
 */
function controllers(drives: readonly DrivePlan[]): Options[] {
  const buses = new Set<string>(drives.map(({ bus }) => bus))
  const shared = Object.entries(SHARED_CONTROLLERS)
    .filter(([bus]) => buses.has(bus))
    .map(([bus, driver]) => ({ driver, id: controllerId(bus) }))
  const own = drives
    .filter(({ bus }) => bus === 'virtio-scsi')
    .map((drive) => ({
      driver: 'virtio-scsi-pci',
      id: ownControllerId(drive),
      ...threads(drive, 'num_queues'),
    }))
  return [...shared, ...own]
}

function disks(drives: readonly DrivePlan[], bootDrive?: string): Options[] {
  const used = new Map<string, number>()
  return drives.map((drive) => {
    const index = used.get(drive.bus) ?? 0
    used.set(drive.bus, index + 1)
    return {
      ...place(drive, index),
      id: driveId(drive),
      drive: topNode(drive),
      serial: drive.name,
      'write-cache': CACHE_MODES[drive.cache].writeCache ? 'on' : 'off',
      ...(drive.name === bootDrive && { bootindex: 0 }),
    }
  })
}

const UNITS_PER_IDE_BUS = 2

/** The qemu device of a bus's n-th disk, and where it is plugged in. */
function place(drive: DrivePlan, index: number): Options {
  const { bus } = drive
  switch (bus) {
    case 'virtio-blk':
      return { driver: 'virtio-blk-pci', ...threads(drive) }
    case 'nvme':
      return { driver: 'nvme', ...threads(drive, 'max_ioqpairs') }
    case 'ide':
      return {
        driver: 'ide-hd',
        bus: `ide.${Math.floor(index / UNITS_PER_IDE_BUS)}`,
        unit: index % UNITS_PER_IDE_BUS,
        ...threads(drive),
      }
    case 'sata':
      return { driver: 'ide-hd', bus: `${controllerId(bus)}.${index}`, ...threads(drive) }
    case 'scsi':
    case 'pvscsi':
      return {
        driver: 'scsi-hd',
        bus: `${controllerId(bus)}.0`,
        'scsi-id': index,
        ...threads(drive),
      }
    case 'virtio-scsi':
      return { driver: 'scsi-hd', bus: `${ownControllerId(drive)}.0` }
  }
}

function controllerId(bus: string): string {
  return `controller-${bus}`
}

function ownControllerId({ name }: DrivePlan): string {
  return controllerId(`of-${name}`)
}

/** Who serves the drive. Where a device has no such property qemu says so: nothing that was asked is left out. */
function threads(drive: DrivePlan, queuesProperty = 'num-queues'): Options {
  return {
    ...(drive.iothread && { iothread: iothreadId(drive) }),
    ...(drive.queues !== undefined && { [queuesProperty]: drive.queues }),
  }
}

function iothreadId({ name }: DrivePlan): string {
  return `iothread-${name}`
}
