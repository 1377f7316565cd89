import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CACHE_MODES } from '../../src/guest/cache-mode.ts'
import { vmFiles } from '../../src/guest/plan.ts'
import { parsePhaseLine } from '../../src/source/phase-channel.ts'
import { Qmp } from '../../src/source/qmp.ts'
import type { Options } from './cases.ts'

/** How the guest sees a disk of each bus: the beginning of its name, and the kernel driver that serves it. */
const IN_GUEST: Record<string, [disk: RegExp, driver: string]> = {
  'virtio-blk': [/^vd[a-z]$/, 'virtio_blk'],
  'virtio-scsi': [/^sd[a-z]$/, 'virtio_scsi'],
  ide: [/^sd[a-z]$/, 'ata_piix'],
  sata: [/^sd[a-z]$/, 'ahci'],
  scsi: [/^sd[a-z]$/, 'sym53c8xx'],
  pvscsi: [/^sd[a-z]$/, 'vmw_pvscsi'],
  nvme: [/^nvme\d+n\d+$/, 'nvme'],
}

/** The qemu device of each bus. */
const DEVICES: Record<string, string> = {
  'virtio-blk': 'virtio-blk-pci',
  'virtio-scsi': 'scsi-hd',
  ide: 'ide-hd',
  sata: 'ide-hd',
  scsi: 'scsi-hd',
  pvscsi: 'scsi-hd',
  nvme: 'nvme',
}

export interface Observation {
  /** In the guest. */
  disk: string
  driver: string
  /** What is not as the case asked for, one a line. */
  differences: string[]
}

/** The vms whose guests are in a phase or have been. */
export async function vmsInPhase(vmsDir: string, phase: string): Promise<string[]> {
  const names = await readdir(vmsDir).catch(() => [])
  const found = await Promise.all(
    names.map(async (name) =>
      (await phaseLog(vmsDir, name)).includes(` phase ${phase}\n`) ? [name] : [],
    ),
  )
  return found.flat()
}

/** Holds a running vm against its case: qemu's own account of it, its command line, and the guest's. */
export async function observe(vmsDir: string, vm: string, asked: Options): Promise<Observation> {
  const lines = (await phaseLog(vmsDir, vm))
    .split('\n')
    .flatMap((line) => parsePhaseLine(line) ?? [])
  const seen = lines.find((line) => line.kind === 'disk')
  const [disk, driver] = IN_GUEST[asked.bus!]!
  const qmp = await Qmp.connect({ name: `vm ${vm}`, path: vmFiles(join(vmsDir, vm)).qmpDebug })
  try {
    const differences = [
      ...differing('disk in the guest', disk.test(seen?.disk ?? ''), seen?.disk),
      ...differing(`driver in the guest ${driver}`, seen?.driver === driver, seen?.driver),
      ...(await ofBlock(qmp, asked)),
      ...(await ofArgv(vmsDir, vm, asked)),
    ]
    return { disk: seen?.disk ?? 'none', driver: seen?.driver ?? 'none', differences }
  } finally {
    qmp.close()
  }
}

type Json = Record<string, unknown>

/** query-block: https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html#command-QMP-block-core.query-block */
async function ofBlock(qmp: Qmp, asked: Options): Promise<string[]> {
  const [block] = await qmp.command<{ qdev: string; inserted: Json }[]>('query-block')
  const nodes = await qmp.command<Json[]>('query-named-block-nodes')
  const format = nodes.find((node) => node['node-name'] === 'format-root')!
  const image = format.image as Json & { filename: string; 'format-specific'?: { data: Json } }
  const { direct, noFlush, writeCache } = CACHE_MODES[asked.cache!]
  const top = asked.throttle ? 'throttle-root' : 'format-root'
  const qcow2 = image['format-specific']?.data ?? {}
  const size = (await stat(image.filename)).size
  const taken = Number(image['actual-size'])
  const virtual = Number(image['virtual-size'])
  const laidOut: Record<string, boolean> = {
    off: true,
    metadata: size >= virtual, // each cluster has its place, and the file its length
    falloc: taken >= virtual,
    full: taken >= virtual,
  }
  const limits = block!.inserted.iops as number
  return [
    ...same('top node', top, block!.inserted['node-name']),
    ...same('format', asked.format, format.drv),
    ...same('cache.direct', direct, (format.cache as Json).direct),
    ...same('cache.no-flush', noFlush, (format.cache as Json)['no-flush']),
    ...same('write cache', writeCache, (block!.inserted.cache as Json).writeback),
    ...same('detect-zeroes', asked.detectZeroes ?? 'off', format.detect_zeroes),
    ...same('backing depth', asked.backing ?? 0, format.backing_file_depth),
    ...differing(
      `preallocation ${asked.preallocation}`,
      laidOut[asked.preallocation ?? 'off']!,
      taken,
    ),
    ...(asked.throttle ? await ofThrottle(qmp, asked.throttle) : same('limit', 0, limits)),
    ...(asked.format === 'qcow2'
      ? [
          ...same('lazy refcounts', asked.lazyRefcounts ?? false, qcow2['lazy-refcounts']),
          ...same('extended L2', asked.extendedL2 ?? false, qcow2['extended-l2']),
          ...same('cluster size', asked.clusterSize ?? 65_536, image['cluster-size']),
        ]
      : []),
  ]
}

async function ofThrottle(qmp: Qmp, asked: NonNullable<Options['throttle']>): Promise<string[]> {
  const limits = await qmp.command<Json>('qom-get', {
    path: '/objects/limits-root',
    property: 'limits',
  })
  return [
    ...same('limit', asked.iops, limits['iops-total']),
    ...same('burst', asked.iopsBurst, limits['iops-total-max']),
  ]
}

/** What query-block does not tell stands on the command line of the process. */
async function ofArgv(vmsDir: string, vm: string, asked: Options): Promise<string[]> {
  const argv = await commandLine(join(vmsDir, vm))
  const values = (option: string) =>
    argv.flatMap((word, at) =>
      argv[at - 1] === option && word.startsWith('{') ? [JSON.parse(word)] : [],
    )
  const device = values('-device').find(({ id }) => id === 'drive-root')
  const blockdev = values('-blockdev')[0]
  const format = blockdev?.driver === 'throttle' ? blockdev.file : blockdev
  const served = values('-device').find(({ iothread }) => iothread === 'iothread-root')
  const queued = values('-device').some((device) =>
    ['num-queues', 'num_queues', 'max_ioqpairs'].some((key) => device[key] === asked.queues),
  )
  return [
    ...same('device', DEVICES[asked.bus!], device?.driver),
    ...same('aio', asked.aio, format?.file?.aio),
    ...same('discard', asked.discard ?? 'ignore', format?.discard),
    ...same('iothread', asked.iothread ?? false, served !== undefined),
    ...(asked.queues === undefined ? [] : differing(`queues ${asked.queues}`, queued, 'others')),
  ]
}

async function commandLine(directory: string): Promise<string[]> {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const argv = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')
    if (argv.some((word) => word.includes(`${directory}/qmp.sock`))) return argv
  }
  throw new Error(`no process has ${directory} on its command line`)
}

async function phaseLog(vmsDir: string, vm: string): Promise<string> {
  return await readFile(vmFiles(join(vmsDir, vm)).phaseLog, 'utf8').catch(() => '')
}

function same(what: string, expected: unknown, found: unknown): string[] {
  return differing(`${what} ${expected}`, expected === found, found)
}

function differing(expected: string, holds: boolean, found: unknown): string[] {
  return holds ? [] : [`expected ${expected}, got ${found}`]
}
