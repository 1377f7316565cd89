// What published measurements say of counts, not times, reproduced: how many writes and flushes the host's device sees for
// each write and flush of a guest, by image and cache mode. A guest writes 4 KiB at a time, each into a cluster of its own
// and each with a flush.
//
//   npm run test:trends -- [--write docs/trends.md]

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { readDiskstats } from '../../src/source/diskstats.ts'
import { readMounts } from '../../src/source/mounts.ts'
import { vmsInPhase } from './observe.ts'
import { commitWords, type Ended, hostWords, withStudies } from './studies.ts'

const WRITES = 200
const BLOCK = 4096
const TIER = 'ext4'

/** Each drive by the name of its study. */
const DRIVES = {
  'raw-full': { format: 'raw', preallocation: 'full' },
  'raw-sparse': { format: 'raw' },
  'qcow2-full': { format: 'qcow2', preallocation: 'full' },
  'qcow2-metadata': { format: 'qcow2', preallocation: 'metadata' },
  'qcow2-none': { format: 'qcow2' },
  'qcow2-backed': { format: 'qcow2', backing: 1 },
  'raw-writethrough': { format: 'raw', preallocation: 'full', cache: 'writethrough' },
  'raw-directsync': { format: 'raw', preallocation: 'full', cache: 'directsync' },
  'raw-unsafe': { format: 'raw', preallocation: 'full', cache: 'unsafe' },
  'raw-nvme': { format: 'raw', preallocation: 'full', bus: 'nvme' },
} as const

type Name = keyof typeof DRIVES

const SCRIPT = `
sleep 1
dd if=/dev/urandom of=/tmp/block bs=${BLOCK} count=1 status=none
i=0
while [ $i -lt ${WRITES} ]; do
  dd if=/tmp/block of="$KVMIO_DISK" bs=${BLOCK} count=1 seek=$((i * 37 % 1000 * 16)) conv=notrunc,fsync oflag=direct status=none
  i=$((i + 1))
done
kvmio-phase counted
sleep 1
`

interface Counts {
  writes: number
  flushes: number
  bytes: number
}

interface Row {
  name: Name
  guest: Counts
  device: Counts
}

const { values } = parseArgs({ options: { write: { type: 'string' } } })
const before = new Map<string, Counts>()
const after = new Map<string, Counts>()
const began = Date.now()
const commit = commitWords()
const results = await withStudies(configOf(), watch, ({ ended }) =>
  (Object.keys(DRIVES) as Name[]).map((name) => [name, ended(name)] as const),
)
const failures = results.flatMap(([name, { outcome, reason }]) =>
  outcome === 'passed' ? [] : [`${name}: the run ${outcome}: ${reason}`],
)
const rows = failures.length > 0 ? [] : results.map(([name, ended]) => rowOf(name, ended))
const problems = [...failures, ...(rows.length > 0 ? differences(rows) : [])]
const text = page(rows)
process.stdout.write(`\n${text}\n${problems.map((problem) => `${problem}\n`).join('')}`)
if (values.write !== undefined) writeFileSync(values.write, text)
process.stdout.write(`${problems.length === 0 ? 1 : 0} passed, ${problems.length} failed\n`)
process.exitCode = problems.length === 0 ? 0 : 1

function configOf() {
  const names = Object.keys(DRIVES) as Name[]
  const guests = names.map((name) => [
    name,
    {
      memory: '128MiB',
      accel: 'tcg',
      drives: { root: { tier: TIER, size: '64MiB', ...DRIVES[name] } },
    },
  ])
  const workload = { script: { run: SCRIPT, to: 'device' } }
  return {
    tiers: { [TIER]: { filesystem: { type: TIER, size: '1GiB' } } },
    guests: Object.fromEntries(guests),
    studies: Object.fromEntries(
      names.map((name) => [name, { guest: name, workload, pause: '1s' }]),
    ),
  }
}

/** The device's counters when a guest begins its script, and when it has ended it. */
async function watch(vmsDir: string): Promise<void> {
  for (const [phase, counts] of [
    ['script', before],
    ['counted', after],
  ] as const) {
    for (const vm of await vmsInPhase(vmsDir, phase)) {
      const study = vm.replace(/-only-1$/, '')
      if (!counts.has(study)) counts.set(study, await deviceCounts(vmsDir))
    }
  }
}

async function deviceCounts(vmsDir: string): Promise<Counts> {
  const mountPoint = vmsDir.replace(/vms$/, `tiers/${TIER}/mnt`)
  const mount = (await readMounts('/proc')).find((mount) => mount.mountPoint === mountPoint)
  const stats = await readDiskstats('/proc')
  const stat = stats.find(({ major, minor }) => `${major}:${minor}` === mount?.device)
  if (!stat) throw new Error(`no device is under ${mountPoint}`)
  const flushes = stat.flushes?.completed ?? 0
  return { writes: stat.writesCompleted, flushes, bytes: stat.writtenSectors * 512 }
}

function rowOf(name: Name, { sample }: Ended): Row {
  const [first, last] = [before.get(name)!, after.get(name)!]
  const drive = sample!.drives[0]!
  return {
    name,
    guest: {
      writes: drive.write.operations,
      flushes: drive.flush.operations,
      bytes: drive.write.bytes,
    },
    device: {
      writes: last.writes - first.writes,
      flushes: last.flushes - first.flushes,
      bytes: last.bytes - first.bytes,
    },
  }
}

/** Host operations for each of the guest's. */
function ratio({ guest, device }: Row, of: keyof Counts): number {
  return device[of] / guest[of]
}

/** What is not as published, each with its source in research on write amplification. */
function differences(rows: readonly Row[]): string[] {
  const row = (name: Name) => rows.find((row) => row.name === name)!
  const writes = (name: Name) => ratio(row(name), 'writes')
  const bytes = (name: Name) => ratio(row(name), 'bytes')
  const facts: [claim: string, holds: boolean][] = [
    [`each guest writes ${WRITES} times`, rows.every(({ guest }) => guest.writes === WRITES)],
    ['an image that is laid out costs least', writes('raw-full') < writes('raw-sparse')],
    ['qcow2 that is laid out costs what raw does', near(writes('qcow2-full'), writes('raw-full'))],
    ['preallocated metadata costs less than none', writes('qcow2-metadata') < writes('qcow2-none')],
    ['qcow2 without either costs most', writes('qcow2-none') > 1.2 * writes('raw-sparse')],
    ['and fills whole clusters', bytes('qcow2-none') > 8 && bytes('raw-full') < 3],
    ['a backing image is copied from', bytes('qcow2-backed') > 8],
    ['a guest flushes each write of its write cache', row('raw-full').guest.flushes >= WRITES],
    ['and the device is flushed each time', ratio(row('raw-full'), 'flushes') > 0.9],
    ...(['raw-writethrough', 'raw-directsync'] as const).flatMap((name): [string, boolean][] => [
      [`with ${name} the guest has nothing to flush`, row(name).guest.flushes === 0],
      [`but qemu flushes for it`, row(name).device.flushes >= 0.9 * WRITES],
    ]),
    ['unsafe flushes nothing', row('raw-unsafe').device.flushes < 0.1 * WRITES],
    ["qemu counts no flush of nvme's", row('raw-nvme').guest.flushes === 0],
    ['though the device is flushed', row('raw-nvme').device.flushes >= 0.9 * WRITES],
  ]
  return facts.flatMap(([claim, holds]) => (holds ? [] : [`not so: ${claim}`]))
}

function near(a: number, b: number): boolean {
  return Math.abs(a - b) < 0.25 * b
}

function page(rows: readonly Row[]): string {
  const seconds = Math.round((Date.now() - began) / 1000)
  const cell = (row: Row, of: keyof Counts) =>
    row.guest[of] === 0 ? 'none asked' : ratio(row, of).toFixed(2)
  return [
    '# Host operations per guest operation',
    '',
    `\`npm run test:trends\` at commit ${commit} on ${new Date().toISOString().slice(0, 10)} (${hostWords()}, TCG): ${seconds} s. One run each; counts, not times.`,
    '',
    `A guest writes ${WRITES} times 4 KiB past its page cache, each time into a cluster of its own and with a flush. Counted are its`,
    'writes, flushes and bytes in qemu, and those of the loop device under ext4 while the script ran: the journal of ext4 is in them,',
    'and Linux counts a flush without data as a write too, so that 2.00 is a write and a flush.',
    '',
    '| image | guest writes | guest flushes | device writes | device flushes | writes per write | flushes per flush | bytes per byte |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows.map((row) => {
      const { name, guest, device } = row
      const figures = [guest.writes, guest.flushes, device.writes, device.flushes]
      const ratios = (['writes', 'flushes', 'bytes'] as const).map((of) => cell(row, of))
      return `| ${[name, ...figures, ...ratios].join(' | ')} |`
    }),
    '',
  ].join('\n')
}
