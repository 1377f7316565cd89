// What the kernel, qemu and other programs print, made from what kvmio reads of it: parsing it must give the same again.
import type { GuestMemory } from '../../src/source/balloon.ts'
import type { DriveStats, OperationStats } from '../../src/source/blockstats.ts'
import type { CgroupIo } from '../../src/source/cgroup.ts'
import type { ClientIo } from '../../src/source/client-io.ts'
import type { Diskstat } from '../../src/source/diskstats.ts'
import type { IostatDevice } from '../../src/source/iostat.ts'
import type { LogicalVolume, VolumeGroup } from '../../src/source/lvm.ts'
import type { Mount } from '../../src/source/mounts.ts'
import type { Pressure } from '../../src/source/pressure.ts'
import type { HostCpu, Meminfo, ProcIo, ProcStat, ProcStatus } from '../../src/source/proc.ts'
import type { ProportionalMemory } from '../../src/source/smaps.ts'

/** A line of /proc/diskstats. */
export function formatDiskstat(stat: Diskstat): string {
  const { device, major, minor, discards, flushes } = stat
  const fields = [
    ...[stat.readsCompleted, stat.readsMerged, stat.readSectors, stat.readMs],
    ...[stat.writesCompleted, stat.writesMerged, stat.writtenSectors, stat.writeMs],
    ...[stat.ioNow, stat.ioMs, stat.ioWeightedMs],
    ...(discards ? [discards.completed, discards.merged, discards.sectors, discards.ms] : []),
    ...(discards && flushes ? [flushes.completed, flushes.ms] : []),
  ]
  return `${String(major).padStart(4)} ${String(minor).padStart(7)} ${device} ${fields.join(' ')}`
}

/** Some of the lines of /proc/PID/io. */
export function formatProcIo({ readBytes, writtenBytes, cancelledBytes }: ProcIo): string {
  return lines('rchar: 1', `read_bytes: ${readBytes}`, `write_bytes: ${writtenBytes}`, [
    `cancelled_write_bytes: ${cancelledBytes}`,
  ])
}

/** /proc/PID/stat of a process with any name. */
export function formatProcStat(stat: ProcStat, name: string): string {
  const { state, ppid, majorFaults, threads, cpuSeconds, startTicks } = stat
  const ticks = Math.round(cpuSeconds * 100)
  const fields = [
    ...[state, ppid, ...Array(7).fill('1'), majorFaults, '1'],
    ...[Math.floor(ticks / 2), Math.ceil(ticks / 2), ...Array(4).fill('0'), threads, '0'],
    ...[startTicks, '4096'],
  ]
  return `17 (${name}) ${fields.join(' ')}\n`
}

/** /proc/PID/status. */
export function formatProcStatus({ name, uid, gid, residentBytes }: ProcStatus): string {
  const resident = residentBytes === undefined ? [] : [`VmRSS:\t${kib(residentBytes)} kB`]
  return lines(`Name:\t${name}`, `Uid:\t${uid.join('\t')}`, `Gid:\t${gid.join('\t')}`, resident)
}

/** /proc/meminfo. */
export function formatMeminfo(memory: Meminfo): string {
  const { totalBytes, availableBytes, dirtyBytes, writebackBytes } = memory
  const row = (key: string, bytes: number) => `${`${key}:`.padEnd(16)}${kib(bytes)} kB`
  const available = availableBytes === undefined ? [] : [row('MemAvailable', availableBytes)]
  return lines(row('MemTotal', totalBytes), available, [
    row('Dirty', dirtyBytes),
    row('Writeback', writebackBytes),
    row('WritebackTmp', 0),
  ])
}

/** The cpu lines of /proc/stat. */
export function formatHostCpu({ cpus, secondsByMode }: HostCpu): string {
  const ticks = Object.values(secondsByMode).map((seconds) => Math.round(seconds * 100))
  const each = Array.from({ length: cpus }, (_, index) => `cpu${index} 0 0 0 0`)
  return lines(`cpu  ${ticks.join(' ')} 0 0`, ...each, 'ctxt 1', [])
}

/** /proc/pressure/io, or a cgroup's. */
export function formatPressure({ waitingSeconds, stalledSeconds }: Pressure): string {
  const row = (kind: string, seconds: number) =>
    `${kind} avg10=0.00 avg60=0.00 avg300=0.00 total=${Math.round(seconds * 1e6)}`
  const full = stalledSeconds === undefined ? [] : [row('full', stalledSeconds)]
  return lines(row('some', waitingSeconds), full)
}

/** cgroup v2's io.stat. */
export function formatIoStat(rows: readonly CgroupIo[]): string {
  return lines(
    rows.map((io) => {
      const { device, discardsCompleted, discardedBytes } = io
      const discards =
        discardsCompleted === undefined ? '' : ` dbytes=${discardedBytes} dios=${discardsCompleted}`
      const { readBytes, writtenBytes, readsCompleted, writesCompleted } = io
      return `${device} rbytes=${readBytes} wbytes=${writtenBytes} rios=${readsCompleted} wios=${writesCompleted}${discards}`
    }),
  )
}

/** cgroup v1's two files: counts, and bytes. */
export function formatBlkio(rows: readonly CgroupIo[]): [serviced: string, bytes: string] {
  const file = (of: (io: CgroupIo) => [string, number | undefined][]) =>
    lines(
      ...rows.map((io) =>
        of(io).flatMap(([operation, count]) =>
          count === undefined ? [] : [`${io.device} ${operation} ${count}`],
        ),
      ),
      'Total 0',
    )
  return [
    file((io) => [
      ['Read', io.readsCompleted],
      ['Write', io.writesCompleted],
      ['Sync', 0],
      ['Discard', io.discardsCompleted],
    ]),
    file((io) => [
      ['Read', io.readBytes],
      ['Write', io.writtenBytes],
      ['Sync', 0],
      ['Discard', io.discardedBytes],
    ]),
  ]
}

/** /proc/self/mountinfo; the options are all the mount's own. */
export function formatMounts(mounts: readonly Mount[]): string {
  return lines(
    mounts.map(({ mountPoint, filesystem, source, device, options }, index) => {
      const [point, type, from, ...words] = [mountPoint, filesystem, source, ...options].map(
        mangled,
      )
      return `${index + 30} 1 ${device} / ${point} ${words.join()} shared:1 - ${type} ${from} ${words[0]}`
    }),
  )
}

/** fs/seq_file.c: mangle_path; and commas, which would end an option, as the kernel cannot have them in one. */
function mangled(text: string): string {
  return text.replace(
    /[ \t\n\\#]/g,
    (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`,
  )
}

/** One block of iostat 12.6, in its own units. */
export function formatIostat(devices: readonly IostatDevice[]): string {
  const disk = devices.map((one) => ({
    disk_device: one.device,
    'r/s': one.readsPerSecond,
    'w/s': one.writesPerSecond,
    'rkB/s': one.readBytesPerSecond && one.readBytesPerSecond / 1024,
    'wkB/s': one.writtenBytesPerSecond && one.writtenBytesPerSecond / 1024,
    'aqu-sz': one.queueLength,
    rareq: 1,
  }))
  return JSON.stringify({ disk })
}

/** vgs --reportformat json: a row for each physical volume. */
export function formatVolumeGroups(groups: readonly VolumeGroup[]): string {
  const vg = groups.flatMap(({ name, sizeBytes, freeBytes, extentBytes, physicalVolumes }) =>
    physicalVolumes.map((pv_name) => ({
      vg_name: name,
      vg_size: String(sizeBytes),
      vg_free: String(freeBytes),
      vg_extent_size: String(extentBytes),
      pv_name,
    })),
  )
  return JSON.stringify({ report: [{ vg }] })
}

/** lvs --reportformat json. */
export function formatLogicalVolumes(volumes: readonly LogicalVolume[]): string {
  const lv = volumes.map(({ group, name, sizeBytes, tags, open }) => ({
    vg_name: group,
    lv_name: name,
    lv_size: String(sizeBytes),
    lv_tags: tags.join(),
    lv_layout: 'linear',
    lv_device_open: open ? 'open' : '',
    data_percent: '',
  }))
  return JSON.stringify({ report: [{ lv }] })
}

/** Of one Lustre mount. */
export function formatLlite(io: ClientIo): string {
  const row = (name: string, samples: number | undefined, unit: string, sum: number | undefined) =>
    samples === undefined && sum === undefined
      ? []
      : [`${name.padEnd(26)}${samples ?? 1} samples [${unit}] 0 0 ${sum ?? 0} 0`]
  const usec = (seconds: number | undefined) =>
    seconds === undefined ? undefined : Math.round(seconds * 1e6)
  return lines(
    'snapshot_time 1 secs.nsecs',
    row('read_bytes', io.readsCompleted, 'bytes', io.readBytes),
    row('write_bytes', io.writesCompleted, 'bytes', io.writtenBytes),
    row('read', usec(io.readSeconds) === undefined ? undefined : 1, 'usec', usec(io.readSeconds)),
    row(
      'write',
      usec(io.writeSeconds) === undefined ? undefined : 1,
      'usec',
      usec(io.writeSeconds),
    ),
    row('fsync', io.flushes, 'usec', usec(io.flushSeconds)),
  )
}

/** /proc/self/mountstats of NFS mounts, by mount point. */
export function formatMountstats(mounts: ReadonlyMap<string, Required<ClientIo>>): string {
  const ms = (seconds: number) => Math.round(seconds * 1000)
  return lines(
    ...[...mounts].map(([point, io]) => [
      `device filer:/x mounted on ${mangled(point)} with fstype nfs4 statvers=1.1`,
      `\tbytes:\t1 2 3 4 ${io.readBytes} ${io.writtenBytes} 7 8`,
      `\t        READ: ${io.readsCompleted} 1 0 2 3 4 5 ${ms(io.readSeconds)} 0`,
      `\t       WRITE: ${io.writesCompleted} 1 0 2 3 4 5 ${ms(io.writeSeconds)} 0`,
      `\t      COMMIT: ${io.flushes} 1 0 2 3 4 5 ${ms(io.flushSeconds)} 0`,
    ]),
    'device proc mounted on /proc with fstype proc',
  )
}

/** An answer to query-blockstats, of what every qemu from 7 to 10 says of a drive. */
export function formatBlockStats(
  drives: readonly Pick<DriveStats, 'qdev' | 'read' | 'write' | 'flush' | 'highestOffset'>[],
): unknown {
  const histogram = ({ histogram }: OperationStats, prefix: string) =>
    histogram ? { [`${prefix}_latency_histogram`]: histogram } : {}
  const counts = (operation: OperationStats, prefix: string) => ({
    [`${prefix}_operations`]: operation.operations,
    [`${prefix}_total_time_ns`]: operation.nanoseconds,
    [`failed_${prefix}_operations`]: operation.failed,
    [`invalid_${prefix}_operations`]: operation.invalid,
    ...(operation.bytes === undefined ? {} : { [`${prefix}_bytes`]: operation.bytes }),
    ...(operation.merged === undefined ? {} : { [`${prefix}_merged`]: operation.merged }),
    ...histogram(operation, prefix),
  })
  const none = { operations: 0, nanoseconds: 0, failed: 0, invalid: 0, bytes: 0, merged: 0 }
  return drives.map(({ qdev, read, write, flush, highestOffset }) => ({
    device: '',
    qdev,
    stats: {
      ...counts(read, 'rd'),
      ...counts(write, 'wr'),
      ...counts(flush, 'flush'),
      ...counts(none, 'unmap'),
      wr_highest_offset: highestOffset,
      timed_stats: [],
      account_failed: true,
      account_invalid: true,
    },
  }))
}

/** /proc/PID/smaps_rollup. */
export function formatSmaps({ totalBytes, anonymousBytes }: ProportionalMemory): string {
  const anonymous = anonymousBytes === undefined ? [] : [`Pss_Anon:  ${kib(anonymousBytes)} kB`]
  return lines('00400000-7ffd [rollup]', 'Rss:  4 kB', `Pss:  ${kib(totalBytes)} kB`, anonymous)
}

/** /proc/PID/limits. */
export function formatDescriptorLimit(limit: number | undefined): string {
  const soft = String(limit ?? 'unlimited').padEnd(21)
  return lines('Limit   Soft Limit', `Max open files            ${soft}1048576   files     `)
}

/** The beginning of a qcow2 whose guest sees that many bytes (qemu/docs/interop/qcow2.rst). */
export function qcow2Header(size: number): Buffer {
  const header = Buffer.alloc(104)
  header.writeUInt32BE(0x514649fb, 0)
  header.writeUInt32BE(3, 4)
  header.writeBigUInt64BE(BigInt(size), 24)
  return header
}

/** An answer to qom-get guest-stats; what the guest did not give is 2^64 - 1. */
export function formatGuestStats(memory: GuestMemory): unknown {
  const stat = (value: number | undefined) => value ?? 2 ** 64
  return {
    'last-update': memory.updatedTime,
    stats: {
      'stat-total-memory': stat(memory.totalBytes),
      'stat-free-memory': stat(memory.freeBytes),
      'stat-available-memory': stat(memory.availableBytes),
      'stat-disk-caches': stat(memory.diskCachesBytes),
      'stat-major-faults': stat(memory.majorFaults),
    },
  }
}

function kib(bytes: number): number {
  return bytes / 1024
}

function lines(...rows: (string | readonly string[])[]): string {
  return rows
    .flat()
    .map((row) => `${row}\n`)
    .join('')
}
