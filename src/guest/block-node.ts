import type { Backend } from '../attribution/records.ts'
import { parseNetworkUrl } from '../config/network-url.ts'
import { CACHE_MODES } from './cache-mode.ts'
import type { DrivePlan } from './plan.ts'

// The block graph of a drive, as -blockdev takes it: https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html#block-devices

type Options = Record<string, unknown>

/** The nodes of a drive from its limits or its format down to what holds its data, the images under it included. */
export function blockNode(drive: DrivePlan): Options {
  const { name, format, sizeBytes, backend, discard, detectZeroes } = drive
  // A volume is rounded up to whole extents, and a disk is as large as it is: the guest sees what was asked for.
  const size = format === 'raw' && backend.kind !== 'file' ? { size: sizeBytes } : {}
  const writable: Options = { discard, 'detect-zeroes': detectZeroes }
  const chain = drive.backing.reduce<Options | undefined>(
    (below, layer, depth) => ({
      'node-name': `backing-${depth}-${name}`,
      driver: layer.format,
      'read-only': true,
      cache: cacheOptions(drive),
      file: {
        ...protocolNode(drive, layer.backend, `backing-file-${depth}-${name}`),
        'read-only': true,
      },
      ...(below && { backing: below }),
    }),
    undefined,
  )
  const node = {
    'node-name': `format-${name}`,
    driver: format,
    ...size,
    cache: cacheOptions(drive),
    ...writable,
    file: { ...protocolNode(drive, backend, `file-${name}`), discard },
    ...(chain && { backing: chain }),
  }
  if (!drive.throttle) return node
  return {
    'node-name': topNode(drive),
    driver: 'throttle',
    'throttle-group': limitsId(drive),
    cache: cacheOptions(drive),
    file: node,
  }
}

/** The name of the node that the drive's device stands on. */
export function topNode({ name, throttle }: DrivePlan): string {
  return throttle ? `throttle-${name}` : `format-${name}`
}

/** The drive that a node of this name is of. */
export function driveOfNode(node: string): string {
  return node.replace(/^(throttle|format|file|backing-\d+|backing-file-\d+)-/, '')
}

/** The drive's limits as an object of qemu's; undefined without any. */
export function throttleGroup(drive: DrivePlan): Options | undefined {
  if (!drive.throttle) return undefined
  const { iops, iopsBurst, bytesPerSecond, bytesPerSecondBurst, burstLength } = drive.throttle
  const limits = {
    'iops-total': iops,
    'iops-total-max': iopsBurst,
    'iops-total-max-length': iopsBurst && burstLength,
    'bps-total': bytesPerSecond,
    'bps-total-max': bytesPerSecondBurst,
    'bps-total-max-length': bytesPerSecondBurst && burstLength,
  }
  return { 'qom-type': 'throttle-group', id: limitsId(drive), limits }
}

function limitsId({ name }: DrivePlan): string {
  return `limits-${name}`
}

function cacheOptions({ cache }: DrivePlan): Options {
  const { direct, noFlush } = CACHE_MODES[cache]
  return { direct, 'no-flush': noFlush }
}

/** The password of a network drive, which qemu reads from its file before it becomes somebody else. */
export function passwordSecret({ name, backend }: DrivePlan): Options[] {
  if (backend.kind !== 'url' || backend.passwordFile === undefined) return []
  return [{ 'qom-type': 'secret', id: secretId(name), file: backend.passwordFile }]
}

function secretId(drive: string): string {
  return `secret-${drive}`
}

/** The node that opens what holds the data. */
function protocolNode(drive: DrivePlan, backend: Backend, name: string): Options {
  return { 'node-name': name, ...protocol(drive, backend), cache: cacheOptions(drive) }
}

function protocol({ name, aio }: DrivePlan, backend: Backend): Options {
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
      return { ...options, ...(password && { [secret]: secretId(name) }) }
    }
  }
}
