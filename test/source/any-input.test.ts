// Whatever comes from the kernel, from qemu, from another program or from a guest: it is read, or refused in kvmio's own words.
import { ok } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import fc from 'fast-check'
import t from 'tap'
import { KvmioError } from '../../src/lib/errors.ts'
import { parseBalloon, parseGuestStats } from '../../src/source/balloon.ts'
import { parseBlockStats } from '../../src/source/blockstats.ts'
import { parseBlkio, parseIoStat } from '../../src/source/cgroup.ts'
import { parseDescriptorLimit } from '../../src/source/descriptors.ts'
import { parseDiskFields, parseDiskstats } from '../../src/source/diskstats.ts'
import { parseFio } from '../../src/source/fio.ts'
import { parseQcow2Size } from '../../src/source/image-size.ts'
import { iostatBlocks, parseIostatReport } from '../../src/source/iostat.ts'
import { parseLlite } from '../../src/source/llite.ts'
import { parseLogicalVolumes, parseVolumeGroups, volumeOf } from '../../src/source/lvm.ts'
import { parseMounts } from '../../src/source/mounts.ts'
import { parseMountstats } from '../../src/source/mountstats.ts'
import { parseFdinfo } from '../../src/source/open-files.ts'
import { parsePhaseLine } from '../../src/source/phase-channel.ts'
import { ResultParts } from '../../src/source/phase-result.ts'
import { parsePressure } from '../../src/source/pressure.ts'
import {
  parseCacheDrops,
  parseHostCpu,
  parseMeminfo,
  parseProcIo,
  parseProcStat,
  parseProcStatus,
} from '../../src/source/proc.ts'
import { parseProcCgroup } from '../../src/source/process-cgroup.ts'
import { parseQemuCommandLine } from '../../src/source/qemu-command-line.ts'
import { parseJsonObject, parseOption } from '../../src/source/qemu-options.ts'
import { parseArguments } from '../../src/source/qemu-processes.ts'
import { parseQmpLine } from '../../src/source/qmp.ts'
import { parseSignatures } from '../../src/source/signatures.ts'
import { parseProportionalMemory } from '../../src/source/smaps.ts'
import { fixture } from './fixtures.ts'
import { anyInput, withOtherValues } from './mutations.ts'

type Parser = [name: string, parse: (text: string) => unknown, samples: string[]]

const HOST = 'pvm-debian12'
const LAB = 'recorded-stack-6.1'
const V1 = `${HOST}/cgroup/blkio/vm/blkio.throttle`
const DISKSTATS = [
  ...[`${HOST}/proc/diskstats`, `${LAB}/proc/diskstats`, 'constructed-22-columns/proc/diskstats'],
  ...['2.6.18', '3.10', '4.19'].map((kernel) => `constructed-${kernel}/proc/diskstats`),
]
const IOSTAT = [
  ...['11.5.1', '11.7.1', '12.1.2'].map((version) => `constructed-iostat/${version}.json`),
  `${HOST}/iostat/12.6.1.json`,
]
const QMP = [`${HOST}/qmp/running.json`, 'constructed-qmp-8.2/qmp/running.json']
const BALLOON = [`${HOST}/qmp/balloon.json`, `${HOST}/qmp/balloon-silent.json`]
const PHASES = [`${HOST}/phase/two-drives.txt`]

const COMMAND_LINES = [
  ['qemu-system-x86_64', '-name', 'guest=web,debug-threads=on', '-m', '1G', '-blockdev'],
  ['/usr/bin/kvm', '-id', '100', '-name', 'web', '-drive', 'file=/a,,b,if=none,id=drive-scsi0'],
].map((argv) => argv.map((word) => `${word}\0`).join(''))
const QCOW2 = `QFI\xfb${'\0'.repeat(20)}${'\0\0\0\0\x40\0\0\0'}`

const PARSERS: Parser[] = [
  ['/proc/diskstats', parseDiskstats, texts(DISKSTATS)],
  ["a guest's disk statistics", parseDiskFields, ['1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17']],
  ['iostat', readIostat, texts(IOSTAT)],
  ['a block of iostat', parseIostatReport, texts(IOSTAT).flatMap((text) => iostatBlocks()(text))],
  ['v1 io_serviced', (text) => parseBlkio(text, text), texts([`${V1}.io_serviced_recursive`])],
  [
    'v1 io_service_bytes',
    (text) => parseBlkio('', text),
    texts([`${V1}.io_service_bytes_recursive`]),
  ],
  ['v2 io.stat', parseIoStat, texts([`${LAB}/cgroup/vm/io.stat`])],
  ['pressure', parsePressure, texts([`${LAB}/proc/pressure/io`, `${LAB}/cgroup/vm/io.pressure`])],
  ['/proc/PID/io', parseProcIo, texts([`${HOST}/proc/4711/io`])],
  ['/proc/PID/stat', parseProcStat, texts([`${HOST}/proc/4711/stat`])],
  [
    '/proc/PID/limits',
    parseDescriptorLimit,
    [
      'Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 1048576              files     \n',
    ],
  ],
  ['/proc/PID/status', parseProcStatus, texts([`${HOST}/proc/4711/status`])],
  ['/proc/PID/smaps_rollup', parseProportionalMemory, texts([`${HOST}/proc/4711/smaps_rollup`])],
  [
    '/proc/PID/fdinfo/FD',
    parseFdinfo,
    ['flags:\t02140002\nmnt_id:\t27\nlock:\t1: OFDLCK ADVISORY  READ -1 fe:00:2 100 EOF\n'],
  ],
  ['/proc/PID/cgroup, v1', (text) => parseProcCgroup(text, 1), ['7:cpu,blkio:/b c\n0::/d:e\n']],
  ['/proc/PID/cgroup, v2', (text) => parseProcCgroup(text, 2), ['7:cpu,blkio:/b c\n0::/d:e\n']],
  ['/proc/PID/cmdline', (text) => parseQemuCommandLine(parseArguments(text)), COMMAND_LINES],
  ["an option of qemu's", (text) => parseOption(text, 'file'), ['file=a,,b.img,if=none,id=d']],
  ["an option of qemu's as JSON", parseJsonObject, ['{"driver":"file","filename":"/a"}']],
  ['the header of a qcow2', (text) => parseQcow2Size(Buffer.from(text, 'latin1')), [QCOW2]],
  ['/proc/meminfo', parseMeminfo, texts([`${HOST}/proc/meminfo`])],
  ['/proc/vmstat', parseCacheDrops, ['nr_free_pages 1\ndrop_pagecache 23\n']],
  ['/proc/stat', parseHostCpu, texts([`${HOST}/proc/stat`])],
  ['mountinfo', parseMounts, texts([`${HOST}/proc/self/mountinfo`, `${LAB}/proc/self/mountinfo`])],
  ['mountstats', parseMountstats, texts(['constructed-nfs/proc/self/mountstats'])],
  ['llite', parseLlite, texts(['constructed-lustre/2.10', 'constructed-lustre/2.15'])],
  ['vgs', parseVolumeGroups, texts(['recorded-lvm/vgs.json'])],
  ['lvs', parseLogicalVolumes, texts(['recorded-lvm/lvs.json', 'constructed-lvm/lvs.json'])],
  ["a volume's mapper name", volumeOf, ['vg--a-vm----1', 'vg--a-pool0-tpool']],
  ['wipefs', parseSignatures, ['{"signatures": [{"type": "ext4", "uuid": "1", "label": "x"}]}']],
  ['fio', parseFio, ['warning\n{"jobs": [{"write": {"io_bytes": 1, "bw_bytes": 2, "iops": 3}}]}']],
  ['a line of QMP', parseQmpLine, ['{"return": {}, "id": 1}', '{"QMP": {}}', '{"event": "STOP"}']],
  ['query-blockstats', (text) => ofJson(text, parseBlockStats), texts(QMP)],
  ['query-balloon', (text) => ofJson(text, parseBalloon), ['{"actual": 201326592}']],
  ['guest-stats', (text) => ofJson(text, parseGuestStats), texts(BALLOON).map(statsOf)],
  ['the phase channel', readPhases, texts(PHASES)],
]

for (const [name, parse, samples] of PARSERS) {
  t.test(`${name}: any text is read, or refused`, async (t) => {
    for (const sample of samples) t.doesNotThrow(() => parse(sample), 'and a good one is read')
    fc.assert(
      fc.property(anyInput(samples), (text) => {
        isReadOrRefused(() => parse(text))
      }),
      { numRuns: 1_000 },
    )
    for (const sample of samples) {
      for (const text of withOtherValues(sample)) isReadOrRefused(() => parse(text))
    }
  })
}

const ANSWERS: [name: string, parse: (answer: unknown) => unknown][] = [
  ['query-blockstats', parseBlockStats],
  ['query-balloon', parseBalloon],
  ['guest-stats', parseGuestStats],
]

for (const [name, parse] of ANSWERS) {
  t.test(`${name}: any answer is read, or refused`, async () => {
    fc.assert(fc.property(fc.jsonValue(), (answer) => isReadOrRefused(() => parse(answer))))
  })
}

t.test('every parser of src/source is in the table', async (t) => {
  const folder = new URL('../../src/source/', import.meta.url)
  const own = await readFile(new URL(import.meta.url), 'utf8')
  for (const file of await readdir(folder)) {
    const text = await readFile(new URL(file, folder), 'utf8')
    for (const [, name] of text.matchAll(/^export function (parse\w+)\(/gm)) {
      t.ok(own.includes(`${name}`), `${file}: ${name}`)
    }
  }
})

function isReadOrRefused(parse: () => unknown): void {
  try {
    ok(!hasNaN(parse()), 'a number that is none')
  } catch (error) {
    if (!(error instanceof KvmioError)) throw error
  }
}

function hasNaN(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return Number.isNaN(value)
  return (value instanceof Map ? [...value.values()] : Object.values(value)).some(hasNaN)
}

function texts(paths: readonly string[]): string[] {
  return paths.map((path) => readFileSync(fixture(path), 'utf8'))
}

function readIostat(text: string): void {
  for (const block of iostatBlocks()(text)) isReadOrRefused(() => parseIostatReport(block))
}

/** As kvmio does: a result that a guest tells in parts is put together. */
function readPhases(text: string): void {
  const results = new ResultParts()
  for (const line of text.split('\n')) {
    isReadOrRefused(() => {
      const found = parsePhaseLine(line)
      if (found?.kind === 'disk') parseDiskFields(found.stat)
      if (found?.kind === 'result') results.take(found)
    })
  }
}

/** The QMP client has refused what is no JSON. */
function ofJson(text: string, parse: (answer: unknown) => unknown): unknown {
  const answer = parseQmpLine(`{"return": ${text}}`)
  return answer && parse(answer.return)
}

function statsOf(text: string): string {
  return JSON.stringify(JSON.parse(text).stats)
}
