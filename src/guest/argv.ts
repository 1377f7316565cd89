import type { Backend } from '../attribution/records.ts'
import { parseNetworkUrl } from '../config/network-url.ts'
import { CACHE_MODES } from './cache-mode.ts'
import { type DrivePlan, driveId, type VmPlan, vmFiles } from './plan.ts'

// The command line of a vm. Values that may hold commas go in as JSON, which -blockdev has taken since 2.9 and -device
// since 6.2; where only the comma syntax is there, commas are doubled. https://www.qemu.org/docs/master/system/invocation.html

/** qemu's arguments, without the binary. */
export function qemuArgv(plan: VmPlan): string[] {
  const files = vmFiles(plan.directory)
  return [
    ['-name', `guest=${plan.name},debug-threads=on`],
    ['-machine', 'pc'],
    ['-accel', plan.accelerator === 'tcg' ? 'tcg,thread=multi' : 'kvm'],
    // rdrand: without it the guest waits a second for random numbers. max, with all that TCG has, boots slower.
    ['-cpu', plan.accelerator === 'kvm' ? 'host' : 'qemu64,+rdrand'],
    ['-smp', String(plan.vcpus)],
    ['-m', `size=${Math.round(plan.memoryBytes / 2 ** 20)}M`],
    ['-nodefaults', '-no-user-config', '-display', 'none'],
    // Stopped until the histograms are armed; kept after power-off until the last sample is taken; a panic ends it.
    ['-S', '-no-shutdown', '-no-reboot'],
    privileges(plan.runAs),
    qmpMonitor('qmp', files.qmp),
    qmpMonitor('qmp-debug', files.qmpDebug),
    serialPort('console', files.console, files.consoleLog),
    serialPort('phase', files.phase, files.phaseLog),
    ['-kernel', plan.boot.kernel],
    plan.boot.initrd === undefined ? [] : ['-initrd', plan.boot.initrd],
    ['-append', plan.boot.append],
    controllers(plan.drives),
    plan.drives.flatMap(secret),
    plan.drives.flatMap((drive) => ['-blockdev', JSON.stringify(blockNode(drive))]),
    devices(plan.drives).flatMap((device) => ['-device', JSON.stringify(device)]),
  ].flat()
}

// As root, qemu opens its images and sockets and then becomes somebody else, so that no folder above them has to let
// that user in. elevateprivileges=deny would forbid that very step (qemu 7.2 dies by SIGSYS).
function privileges(runAs: number | undefined): string[] {
  const sandbox = 'on,obsolete=deny,spawn=deny,resourcecontrol=deny'
  return runAs === undefined
    ? ['-sandbox', `${sandbox},elevateprivileges=deny`]
    : ['-sandbox', sandbox, '-runas', `${runAs}:${runAs}`]
}

/** Doubles the commas of a value that stands in qemu's comma-separated syntax. */
export function escapeOption(value: string): string {
  return value.replaceAll(',', ',,')
}

function qmpMonitor(id: string, path: string): string[] {
  const chardev = `socket,id=${id},path=${escapeOption(path)},server=on,wait=off`
  return ['-chardev', chardev, '-mon', `chardev=${id},mode=control`]
}

function serialPort(id: string, path: string, log: string): string[] {
  const socket = `socket,id=${id},path=${escapeOption(path)},server=on,wait=off`
  return [
    '-chardev',
    `${socket},logfile=${escapeOption(log)},logappend=on`,
    '-serial',
    `chardev:${id}`,
  ]
}

function blockNode({ name, format, cache, aio, sizeBytes, backend }: DrivePlan) {
  const { direct, noFlush } = CACHE_MODES[cache]
  const options = { direct, 'no-flush': noFlush }
  // A volume is rounded up to whole extents, and a disk is as large as it is: the guest sees what was asked for.
  const size = format === 'raw' && backend.kind !== 'file' ? { size: sizeBytes } : {}
  return {
    'node-name': `format-${name}`,
    driver: format,
    ...size,
    cache: options,
    file: { 'node-name': `file-${name}`, ...protocol(name, backend, aio), cache: options },
  }
}

/** The password of a network drive, which qemu reads from its file before it becomes somebody else. */
function secret({ name, backend }: DrivePlan): string[] {
  if (backend.kind !== 'url' || backend.passwordFile === undefined) return []
  const object = { 'qom-type': 'secret', id: `secret-${name}`, file: backend.passwordFile }
  return ['-object', JSON.stringify(object)]
}

/** The driver that opens a drive's data, and how it finds it. */
function protocol(name: string, backend: Backend, aio: DrivePlan['aio']): Record<string, unknown> {
  switch (backend.kind) {
    case 'file':
      return { driver: 'file', filename: backend.path, aio }
    case 'device':
      return { driver: 'host_device', filename: backend.path, aio }
    case 'url': {
      const found = parseNetworkUrl(backend.url)
      if ('problem' in found) throw new TypeError(found.problem)
      const { options, secret } = found.disk
      const password = secret !== undefined && backend.passwordFile !== undefined
      return { ...options, ...(password ? { [secret]: `secret-${name}` } : {}) }
    }
  }
}

const UNITS_PER_IDE_BUS = 2

/** The controllers that the drives' buses need; virtio-blk and nvme disks are their own. */
function controllers(drives: readonly DrivePlan[]): string[] {
  const driver = { sata: 'ahci', scsi: 'lsi53c895a', 'virtio-scsi': 'virtio-scsi-pci' } as const
  const buses = new Set(drives.map(({ bus }) => bus))
  return Object.entries(driver).flatMap(([bus, driver]) =>
    buses.has(bus as DrivePlan['bus'])
      ? ['-device', JSON.stringify({ driver, id: controllerId(bus) })]
      : [],
  )
}

function controllerId(bus: string): string {
  return `controller-${bus}`
}

function devices(drives: readonly DrivePlan[]): Record<string, unknown>[] {
  const used = new Map<string, number>()
  return drives.map((drive) => {
    const index = used.get(drive.bus) ?? 0
    used.set(drive.bus, index + 1)
    return {
      ...place(drive.bus, index),
      id: driveId(drive),
      drive: `format-${drive.name}`,
      serial: drive.name,
      'write-cache': CACHE_MODES[drive.cache].writeCache ? 'on' : 'off',
    }
  })
}

/** The qemu device of a bus's n-th disk, and where it is plugged in. */
function place(bus: DrivePlan['bus'], index: number): Record<string, unknown> {
  switch (bus) {
    case 'virtio-blk':
      return { driver: 'virtio-blk-pci' }
    case 'nvme':
      return { driver: 'nvme' }
    case 'ide':
      return {
        driver: 'ide-hd',
        bus: `ide.${Math.floor(index / UNITS_PER_IDE_BUS)}`,
        unit: index % UNITS_PER_IDE_BUS,
      }
    case 'sata':
      return { driver: 'ide-hd', bus: `${controllerId(bus)}.${index}` }
    case 'scsi':
      return { driver: 'scsi-hd', bus: `${controllerId(bus)}.0`, 'scsi-id': index }
    case 'virtio-scsi':
      return { driver: 'scsi-hd', bus: `${controllerId(bus)}.0`, lun: index }
  }
}
