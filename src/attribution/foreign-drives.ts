import type { OpenFile } from '../source/open-files.ts'
import type { DeviceOption, QemuCommandLine } from '../source/qemu-command-line.ts'
import { backingPaths, type Slot, slotsOf } from './qemu-slots.ts'
import type { Drive } from './records.ts'

/** A drive of a vm that kvmio did not start, before its tier is known. */
export interface ForeignDrive extends Omit<Drive, 'tier' | 'backend'> {
  /** What qemu has open for it. */
  file: OpenFile
}

/**
 * The drives of a qemu: what it has open to write to, so that one that was plugged in later is there too. The command
 * line gives them their names; `resolve` turns a path of it into the one that an open file has.
 */
export function drivesOf(
  line: QemuCommandLine,
  files: readonly OpenFile[],
  resolve: (path: string) => string = (path) => path,
): ForeignDrive[] {
  const slots = slotsOf(line).map((slot) => ({ ...slot, path: resolve(slot.path) }))
  const backing = new Set(backingPaths(line).map(resolve))
  const images = new Map<string, OpenFile>()
  for (const file of files) if (file.writable && !images.has(file.path)) images.set(file.path, file)
  const drives = [...images.values()].flatMap((file): ForeignDrive[] => {
    const slot = slots.find(({ path }) => path === file.path)
    if (slot) return slot.isMedium ? [] : [driveOf(slot, file, line)]
    return isImage(file) && !backing.has(file.path) ? [pluggedDrive(file)] : []
  })
  return withNamesOnce(drives)
}

/** qemu holds locks on single bytes of each image that it has open (block/file-posix.c: RAW_LOCK_PERM_BASE, _SHARED_BASE). */
export function isImage({ locks }: Pick<OpenFile, 'locks'>): boolean {
  return LOCK_BASES.some((base) =>
    locks.some(([first, last]) => first >= base && last < base + PERMISSIONS),
  )
}

const LOCK_BASES = [100, 200]
/** Room for those that qemu may add; it has five (include/block/block-common.h: BLK_PERM_ALL). */
const PERMISSIONS = 64

function driveOf(slot: Slot, file: OpenFile, line: QemuCommandLine): ForeignDrive {
  const { device, options } = slot
  return {
    ...unknownDrive(device?.id ?? slot.name, file),
    bus: busOf(slot, line),
    format: slot.format,
    ...(slot.backing === undefined ? {} : { backing: slot.backing }),
    cache: slot.cache ?? cacheOf(file.direct, options.noFlush, device?.writeCache),
    aio: options.aio ?? '',
    discard: options.discard ?? '',
    detectZeroes: options.detectZeroes ?? '',
    ...(device ? { iothread: device.iothread !== undefined } : {}),
    ...(device?.queues === undefined ? {} : { queues: device.queues }),
    id: device?.id ?? slot.name,
  }
}

/** One that was plugged in after the start: only qemu knows what it is. */
function pluggedDrive(file: OpenFile): ForeignDrive {
  return unknownDrive(file.path.slice(file.path.lastIndexOf('/') + 1), file)
}

function unknownDrive(name: string, file: OpenFile): ForeignDrive {
  return {
    name,
    bus: '',
    format: '',
    preallocation: '',
    cache: '',
    direct: file.direct,
    aio: '',
    discard: '',
    detectZeroes: '',
    id: '',
    file,
  }
}

/** The names of qemu's cache modes (qemu-options.hx, -drive cache=). */
function cacheOf(direct: boolean, noFlush = false, writeCache = true): string {
  if (noFlush) return 'unsafe'
  if (direct) return writeCache ? 'none' : 'directsync'
  return writeCache ? 'writeback' : 'writethrough'
}

/** The word that kvmio has for what the guest sees the drive on; that of qemu where it has none. */
function busOf({ device, interface: kind }: Slot, line: QemuCommandLine): string {
  const model = device?.driver ?? ''
  if (model.startsWith('virtio-blk') || kind === 'virtio') return 'virtio-blk'
  if (model.startsWith('scsi-')) return scsiBus(device!, line)
  if (model === 'ide-hd' || kind === 'ide') return isSata(device, line) ? 'sata' : 'ide'
  if (model.startsWith('nvme')) return 'nvme'
  return model || (kind ?? '')
}

/** Controllers of SCSI disks by the words of the config. */
const SCSI: readonly [model: RegExp, bus: string][] = [
  [/^virtio-scsi/, 'virtio-scsi'],
  [/^pvscsi/, 'pvscsi'],
  [/^(lsi|megasas|mptsas|am53c974|dc390)/, 'scsi'],
]

function scsiBus(device: DeviceOption, { devices }: QemuCommandLine): string {
  const controllers = devices.filter(({ driver }) => SCSI.some(([model]) => model.test(driver)))
  const named = controllers.find(({ id }) => id !== undefined && device.bus?.startsWith(`${id}.`))
  const { driver = '' } = named ?? controllers[0] ?? {}
  return SCSI.find(([model]) => model.test(driver))?.[1] ?? 'scsi'
}

/** Of an ATA disk: q35 has an AHCI controller of its own, whose buses are called ide.0 too. */
function isSata(device: DeviceOption | undefined, { devices, machine }: QemuCommandLine): boolean {
  const named = devices.find(({ id }) => id !== undefined && device?.bus?.startsWith(`${id}.`))
  return named ? /ahci/.test(named.driver) : /q35/.test(machine ?? '')
}

/** Of two with the same name the later has a number behind it. */
function withNamesOnce(drives: readonly ForeignDrive[]): ForeignDrive[] {
  const used = new Set<string>()
  return drives.map((drive) => {
    let name = drive.name
    for (let more = 2; used.has(name); more++) name = `${drive.name}-${more}`
    used.add(name)
    return { ...drive, name }
  })
}
