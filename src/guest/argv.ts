import { BALLOON_ID } from '../source/balloon.ts'
import { blockNode, passwordSecret, throttleGroup } from './block-node.ts'
import { driveDevices } from './drive-devices.ts'
import { mediumDevice, mediumNode } from './media.ts'
import {
  type BalloonPlan,
  type BootPlan,
  driveId,
  type PassthroughPlan,
  type VmPlan,
  vmFiles,
} from './plan.ts'

// The command line of a vm. Values that may hold commas go in as JSON, which -blockdev has taken since 2.9 and -device
// since 6.2; where only the comma syntax is there, commas are doubled. https://www.qemu.org/docs/master/system/invocation.html

/** qemu's arguments, without the binary. */
export function qemuArgv(plan: VmPlan): string[] {
  const files = vmFiles(plan.directory)
  const { objects, devices } = driveDevices(
    plan.drives,
    'drive' in plan.boot ? plan.boot.drive : undefined,
  )
  const { media = [] } = plan
  const bootMedium = 'medium' in plan.boot ? plan.boot.medium : undefined
  const mediumDevices = media.map((medium) => mediumDevice(medium, medium.name === bootMedium))
  const limits = plan.drives.map(throttleGroup).filter((group) => group !== undefined)
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
    kernel(plan.boot, files.initrd),
    Object.keys(plan.files ?? {}).flatMap((name) => firmwareFile(name, files.firmware(name))),
    json('-object', [...objects, ...limits, ...plan.drives.flatMap(passwordSecret)]),
    json('-blockdev', [...plan.drives.map(blockNode), ...media.map(mediumNode)]),
    json('-device', [
      ...(plan.balloon ? [balloonDevice(plan.balloon)] : []),
      ...devices,
      ...(plan.passthrough ?? []).map(passedDevice),
      ...mediumDevices,
    ]),
    plan.seed ? seedDrive(files.seed) : [],
  ].flat()
}

function kernel(boot: BootPlan, ownInitrd: string): string[] {
  if (!('kernel' in boot)) return []
  const { kernel, append, files } = boot
  const initrd = files ? ownInitrd : boot.initrd
  return [
    '-kernel',
    kernel,
    ...(initrd === undefined ? [] : ['-initrd', initrd]),
    '-append',
    append,
  ]
}

/** https://www.qemu.org/docs/master/specs/fw_cfg.html: names of a user's own begin with opt/. */
function firmwareFile(name: string, path: string): string[] {
  return ['-fw_cfg', `name=opt/kvmio/${name},file=${escapeOption(path)}`]
}

// Cloud images have virtio, whatever the buses of the drives are. Without a serial number it is no drive, and not counted.
function seedDrive(path: string): string[] {
  const file = { driver: 'file', filename: path, 'read-only': true }
  const node = { 'node-name': 'seed', driver: 'raw', 'read-only': true, file }
  const device = { driver: 'virtio-blk-pci', id: 'seed', drive: 'seed' }
  return [...json('-blockdev', [node]), ...json('-device', [device])]
}

function json(option: string, values: readonly unknown[]): string[] {
  return values.flatMap((value) => [option, JSON.stringify(value)])
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

/** qemu's: https://www.kernel.org/doc/html/latest/driver-api/vfio.html */
function passedDevice({ name, pci, guestAddress }: PassthroughPlan): Record<string, unknown> {
  const addr = guestAddress.replace(/^0000:00:/, '')
  return { driver: 'vfio-pci', host: pci, id: driveId({ name }), bus: 'pci.0', addr }
}

/** A guest that runs out of memory gets its own back from the balloon before it kills a process. */
function balloonDevice({ freePageReporting, pollSeconds }: BalloonPlan): Record<string, unknown> {
  return {
    driver: 'virtio-balloon-pci',
    id: BALLOON_ID,
    'deflate-on-oom': true,
    'free-page-reporting': freePageReporting,
    'guest-stats-polling-interval': pollSeconds,
  }
}
