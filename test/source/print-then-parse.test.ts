// What a program prints and kvmio parses comes back as it was, whatever the figures.
import { deepEqual } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { parseGuestStats } from '../../src/source/balloon.ts'
import { parseBlockStats } from '../../src/source/blockstats.ts'
import { type CgroupIo, parseBlkio, parseIoStat } from '../../src/source/cgroup.ts'
import { parseDescriptorLimit } from '../../src/source/descriptors.ts'
import { parseDiskstats } from '../../src/source/diskstats.ts'
import { parseQcow2Size } from '../../src/source/image-size.ts'
import { parseIostatReport } from '../../src/source/iostat.ts'
import { parseLlite } from '../../src/source/llite.ts'
import { parseLogicalVolumes, parseVolumeGroups } from '../../src/source/lvm.ts'
import { parseMounts } from '../../src/source/mounts.ts'
import { parseMountstats } from '../../src/source/mountstats.ts'
import { parsePressure } from '../../src/source/pressure.ts'
import {
  parseHostCpu,
  parseMeminfo,
  parseProcIo,
  parseProcStat,
  parseProcStatus,
} from '../../src/source/proc.ts'
import { parseArguments } from '../../src/source/qemu-processes.ts'
import { parseSignatures } from '../../src/source/signatures.ts'
import { parseProportionalMemory } from '../../src/source/smaps.ts'
import * as print from './printers.ts'

const count = fc.nat(Number.MAX_SAFE_INTEGER)
const plain = { noNullPrototype: true } as const
const word = fc.stringMatching(/^[a-zA-Z0-9_.+-]{1,12}$/)
const path = fc.array(fc.string({ minLength: 1, maxLength: 8 }).map(unslashed), { minLength: 1 })
const hundredths = fc.nat(2 ** 45).map((value) => value / 100)
const millis = fc.nat(2 ** 45).map((value) => value / 1000)
const micros = fc.nat(2 ** 45).map((value) => value / 1e6)
const kibibytes = fc.nat(2 ** 43).map((value) => value * 1024)
const number = fc.tuple(fc.nat(4095), fc.nat(2 ** 20)).map(([major, minor]) => `${major}:${minor}`)

function unslashed(text: string): string {
  return text.replaceAll('/', '_').replaceAll('\0', '_')
}

/** Parsing what was printed of a value gives that value. */
function comesBack<T>(
  name: string,
  value: fc.Arbitrary<T>,
  again: (value: T) => unknown,
  expected: (value: T) => unknown = (value) => value,
): void {
  t.test(name, async () => {
    fc.assert(fc.property(value, (value) => deepEqual(again(value), expected(value))))
  })
}

const discards = fc.record({ completed: count, merged: count, sectors: count, ms: count }, plain)
const flushes = fc.record({ completed: count, ms: count }, plain)
const disk = {
  device: fc.stringMatching(/^[a-z][a-z0-9/!-]{0,12}$/),
  ...{ major: fc.nat(4095), minor: fc.nat(2 ** 20), ioNow: count, ioMs: count },
  ...{ readsCompleted: count, readsMerged: count, readSectors: count, readMs: count },
  ...{ writesCompleted: count, writesMerged: count, writtenSectors: count, writeMs: count },
  ioWeightedMs: count,
}
const diskstat = fc.oneof(
  fc.record(disk, plain),
  fc.record({ ...disk, discards }, plain),
  fc.record({ ...disk, discards, flushes }, plain),
)
comesBack('/proc/diskstats of 14, 18 and 20 columns', fc.array(diskstat), (stats) =>
  parseDiskstats(stats.map((stat) => `${print.formatDiskstat(stat)}\n`).join('')),
)

const rw = {
  ...{ device: number, readsCompleted: count, readBytes: count },
  ...{ writesCompleted: count, writtenBytes: count },
}
const discarded = { discardsCompleted: count, discardedBytes: count }
const shares = fc.uniqueArray<CgroupIo, string>(
  fc.oneof(fc.record(rw, plain), fc.record({ ...rw, ...discarded }, plain)),
  { selector: ({ device }) => device },
)
comesBack('cgroup v2 io.stat', shares, (rows) => parseIoStat(print.formatIoStat(rows)))
comesBack('cgroup v1 blkio', shares, (rows) => parseBlkio(...print.formatBlkio(rows)))

const pressure = fc.oneof(
  fc.record({ waitingSeconds: micros }, plain),
  fc.record({ waitingSeconds: micros, stalledSeconds: micros }, plain),
)
comesBack('pressure', pressure, (value) => parsePressure(print.formatPressure(value)))

comesBack(
  '/proc/PID/io',
  fc.record({ readBytes: count, writtenBytes: count, cancelledBytes: count }, plain),
  (io) => parseProcIo(print.formatProcIo(io)),
)
const stat = fc.record(
  {
    state: fc.constantFrom('R', 'S', 'D', 'Z', 'T'),
    ...{ ppid: fc.nat(), majorFaults: count, threads: fc.nat() },
    ...{ cpuSeconds: hundredths, startTicks: count },
  },
  plain,
)
comesBack(
  '/proc/PID/stat of a process with any name',
  fc.tuple(stat, fc.string({ maxLength: 15 })),
  ([stat, name]) => parseProcStat(print.formatProcStat(stat, name)),
  ([stat]) => stat,
)
const ids = fc.array(fc.nat(), { minLength: 4, maxLength: 4 })
const status = fc.oneof(
  fc.record({ name: word, uid: ids, gid: ids }, plain),
  fc.record({ name: word, uid: ids, gid: ids, residentBytes: kibibytes }, plain),
)
comesBack('/proc/PID/status', status, (value) => parseProcStatus(print.formatProcStatus(value)))
const memory = fc.record(
  {
    ...{ totalBytes: kibibytes, availableBytes: kibibytes },
    ...{ dirtyBytes: kibibytes, writebackBytes: kibibytes },
  },
  { ...plain, requiredKeys: ['totalBytes', 'dirtyBytes', 'writebackBytes'] },
)
comesBack('/proc/meminfo', memory, (value) => parseMeminfo(print.formatMeminfo(value)))
const MODES = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal']
const cpu = fc.record(
  {
    cpus: fc.nat(512),
    secondsByMode: fc
      .tuple(...MODES.map(() => hundredths))
      .map((seconds) => Object.fromEntries(MODES.map((mode, index) => [mode, seconds[index]!]))),
  },
  plain,
)
comesBack('/proc/stat', cpu, (value) => parseHostCpu(print.formatHostCpu(value)))

const mount = fc.record(
  {
    mountPoint: path.map((names) => `/${names.join('/')}`),
    ...{ filesystem: word, device: number },
    source: fc.string({ minLength: 1 }).map(unslashed),
    options: fc.uniqueArray(word, { minLength: 1 }),
  },
  plain,
)
comesBack('/proc/self/mountinfo with any names', fc.array(mount), (mounts) =>
  parseMounts(print.formatMounts(mounts)),
)

const io = {
  ...{ readsCompleted: count, readBytes: count, writesCompleted: count, writtenBytes: count },
  flushes: count,
}
comesBack(
  '/proc/self/mountstats',
  fc
    .uniqueArray(
      fc.tuple(
        path.map((names) => `/${names.join('/')}`),
        fc.record(
          { ...io, readSeconds: millis, writeSeconds: millis, flushSeconds: millis },
          plain,
        ),
      ),
      { selector: ([point]) => point },
    )
    .map((mounts) => new Map(mounts)),
  (mounts) => parseMountstats(print.formatMountstats(mounts)),
)
comesBack(
  'llite stats',
  fc.record({ ...io, readSeconds: micros, writeSeconds: micros, flushSeconds: micros }, plain),
  (value) => parseLlite(print.formatLlite(value)),
)

const rate = fc.nat(1e9).map((value) => value / 100)
const device = fc.record(
  {
    device: word,
    ...{ readsPerSecond: rate, writesPerSecond: rate, queueLength: rate },
    readBytesPerSecond: fc.nat(2 ** 40),
    writtenBytesPerSecond: fc.nat(2 ** 40),
  },
  { ...plain, requiredKeys: ['device'] },
)
comesBack('a block of iostat', fc.array(device), (devices) =>
  parseIostatReport(print.formatIostat(devices)),
)

const bytes = fc.nat(1e15 - 1)
const group = fc.record(
  {
    ...{ name: word, sizeBytes: bytes, freeBytes: bytes, extentBytes: bytes },
    physicalVolumes: fc.array(word, { minLength: 1 }),
  },
  plain,
)
comesBack('vgs', fc.uniqueArray(group, { selector: ({ name }) => name }), (groups) =>
  parseVolumeGroups(print.formatVolumeGroups(groups)),
)
const volume = fc.record(
  {
    ...{ group: word, name: word, sizeBytes: bytes, open: fc.boolean() },
    tags: fc.array(word),
  },
  plain,
)
comesBack('lvs', fc.array(volume), (volumes) =>
  parseLogicalVolumes(print.formatLogicalVolumes(volumes)),
)

const bins = fc.uniqueArray(fc.nat(), { maxLength: 15 }).chain((boundaries) =>
  fc.record(
    {
      boundaries: fc.constant(boundaries.toSorted((a, b) => a - b)),
      bins: fc.array(count, { minLength: boundaries.length + 1, maxLength: boundaries.length + 1 }),
    },
    plain,
  ),
)
const flushed = {
  ...{ operations: count, nanoseconds: count, failed: count, invalid: count, histogram: bins },
}
const sized = fc.record({ ...flushed, bytes: count, merged: count }, plain)
const drive = fc.record(
  {
    qdev: word,
    ...{ read: sized, write: sized, flush: fc.record(flushed, plain), highestOffset: count },
  },
  plain,
)
comesBack('query-blockstats', fc.array(drive), (drives) =>
  parseBlockStats(print.formatBlockStats(drives)).map(
    ({ qdev, read, write, flush, highestOffset }) => ({ qdev, read, write, flush, highestOffset }),
  ),
)

const taken = fc.record(
  { totalBytes: kibibytes, anonymousBytes: kibibytes },
  { ...plain, requiredKeys: ['totalBytes'] },
)
comesBack('/proc/PID/smaps_rollup', taken, (value) =>
  parseProportionalMemory(print.formatSmaps(value)),
)
comesBack('/proc/PID/limits', fc.option(fc.nat(), { nil: undefined }), (limit) =>
  parseDescriptorLimit(print.formatDescriptorLimit(limit)),
)
const argument = fc.string().map((text) => text.replaceAll('\0', ''))
comesBack('/proc/PID/cmdline', fc.array(argument, { minLength: 1 }), (argv) =>
  parseArguments(argv.map((word) => `${word}\0`).join('')),
)

const signature = fc.record(
  { type: word, uuid: word, label: fc.string() },
  { ...plain, requiredKeys: ['type'] },
)
comesBack('wipefs', fc.array(signature), (signatures) =>
  parseSignatures(JSON.stringify({ signatures })),
)
comesBack("a qcow2's header", count, (size) => parseQcow2Size(print.qcow2Header(size)))
const guestMemory = fc.record(
  {
    ...{ updatedTime: fc.nat().map((seconds) => seconds + 1), totalBytes: count, freeBytes: count },
    ...{ availableBytes: count, diskCachesBytes: count, majorFaults: count },
  },
  { ...plain, requiredKeys: ['updatedTime'] },
)
comesBack('guest-stats', guestMemory, (memory) => parseGuestStats(print.formatGuestStats(memory)))
