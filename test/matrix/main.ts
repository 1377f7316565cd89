// The smoke matrix: each pair of values of the drive factors and filesystems once, with real guests, through the real
// program; each vm held against its case in qemu and in the guest, and its counts against one another.
//
//   npm run test:matrix -- [--write docs/matrix.md] [--only TEXT]

import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { FILESYSTEMS } from '../../src/config/tier-schema.ts'
import { type MatrixCase, pairwise } from './cases.ts'
import { type Observation, observe, vmsInPhase } from './observe.ts'
import { markdown, type Row } from './report.ts'
import { commitWords, type Ended, hostWords, withStudies } from './studies.ts'

const MIB = 2 ** 20
const WRITTEN = 2 * MIB
const SIZE_MIB = 32
const GUEST_BYTES_WRITTEN = 6 // in sectors, of the fields after the name in /proc/diskstats
const GUEST_WRITES = 4

const { values } = parseArgs({ options: { write: { type: 'string' }, only: { type: 'string' } } })
const known = readFileSync('/proc/filesystems', 'utf8')
const here = FILESYSTEMS.filter((type) => new RegExp(`\\b${type}$`, 'm').test(known))
const cases = pairwise(here).filter(({ words }) =>
  Object.values(words)
    .join(' ')
    .includes(values.only ?? ''),
)
const studies = cases.map((point, index) => ({
  id: `m${String(index + 1).padStart(3, '0')}`,
  point,
}))
const observations = new Map<string, Observation>()

const began = Date.now()
const commit = commitWords() // before it, since others may commit meanwhile
const rows = await withStudies(configOf(), watch, ({ ended }) =>
  studies.map(({ id, point }) => rowOf(point, observations.get(id), ended(id))),
)
const text = markdown(rows, {
  commit,
  date: new Date().toISOString().slice(0, 10),
  host: hostWords(),
  seconds: Math.round((Date.now() - began) / 1000),
  filesystems: here,
})
process.stdout.write(`\n${text}`)
if (values.write !== undefined) writeFileSync(values.write, text)
const failed = rows.filter(({ problems }) => problems.length > 0)
process.stdout.write(`\n${rows.length - failed.length} passed, ${failed.length} failed\n`)
process.exitCode = failed.length === 0 && rows.length > 0 ? 0 : 1

function configOf() {
  const tiers = here.map((type) => [type, { filesystem: { type, size: '640MiB' } }])
  const guests = studies.map(({ id, point }) => [
    id,
    {
      memory: '128MiB',
      accel: 'tcg',
      drives: { root: { tier: point.filesystem, size: `${SIZE_MIB}MiB`, ...inUnits(point) } },
    },
  ])
  const load = { write: `${WRITTEN / MIB}MiB`, blockSize: '64KiB', to: 'device', direct: true }
  const workload = { 'boot-write-shutdown': { ...load, settle: '1s' } }
  return {
    tiers: Object.fromEntries(tiers),
    guests: Object.fromEntries(guests),
    studies: Object.fromEntries(
      studies.map(({ id }) => [id, { guest: id, workload, pause: '0s' }]),
    ),
  }
}

/** Sizes as a config has them. */
function inUnits({ drive }: MatrixCase) {
  const { clusterSize, ...rest } = drive
  return clusterSize === undefined ? rest : { ...rest, clusterSize: `${clusterSize}B` }
}

/** Looks at each vm once, while its guest writes or soon after. */
async function watch(vmsDir: string): Promise<void> {
  for (const vm of await vmsInPhase(vmsDir, 'write')) {
    const study = studies.find(({ id }) => vm.startsWith(`${id}-`))
    if (!study || observations.has(study.id)) continue
    const seen = await observe(vmsDir, vm, study.point.drive).catch((error) => ({
      disk: 'none',
      driver: 'none',
      differences: [String(error)],
    }))
    observations.set(study.id, seen)
  }
}

function rowOf(
  { words }: MatrixCase,
  seen: Observation | undefined,
  { outcome, reason, sample }: Ended,
): Row {
  const drive = sample?.drives[0]
  const guest = sample?.guestDisks[0]?.stat.split(' ').map(Number)
  const guestBytes = guest && guest[GUEST_BYTES_WRITTEN]! * 512
  const problems = [
    ...(outcome === 'passed' ? [] : [`the run ${outcome ?? 'did not start'}: ${reason ?? ''}`]),
    ...(seen ? seen.differences : ['no vm was seen']),
    ...otherBytes('qemu', drive?.write.bytes),
    ...otherBytes('the guest', guestBytes),
  ]
  return {
    words,
    disk: seen?.disk ?? '',
    driver: seen?.driver ?? '',
    guestWrites: guest?.[GUEST_WRITES],
    driveWrites: drive?.write.operations,
    driveFlushes: drive?.flush.operations,
    problems,
  }
}

function otherBytes(who: string, bytes: number | undefined): string[] {
  return bytes === WRITTEN ? [] : [`${who} wrote ${bytes} bytes, not ${WRITTEN}`]
}
