// The smoke matrix: each pair of values of the drive factors and filesystems once, with real guests, through the real
// program; each vm held against its case in qemu and in the guest, and its counts against one another.
//
//   npm run test:matrix [-- --write docs/matrix.md] [-- --only TEXT]

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { FILESYSTEMS } from '../../src/config/schema.ts'
import { type MatrixCase, pairwise } from './cases.ts'
import { type Observation, observe, writingVms } from './observe.ts'
import { markdown, type Row } from './report.ts'

const repository = join(import.meta.dirname, '../..')
const NODE = join(repository, 'node_modules/.bin/node')
const MIB = 2 ** 20
const WRITTEN = 2 * MIB
const SIZE_MIB = 32
const POLL_MS = 100
const LIMIT_MS = 40 * 60_000

const { values } = parseArgs({
  options: { write: { type: 'string' }, only: { type: 'string' } },
})
const known = execFileSync('cat', ['/proc/filesystems'], { encoding: 'utf8' })
const here = FILESYSTEMS.filter((type) => new RegExp(`\\b${type}$`, 'm').test(known))
const cases = pairwise(here).filter((point) => nameOf(point).includes(values.only ?? ''))
const studies = cases.map((point, index) => ({
  id: `m${String(index + 1).padStart(3, '0')}`,
  point,
}))

const directory = await realpath(await mkdtemp(join(tmpdir(), 'kvmio-matrix-')))
await chmod(directory, 0o755)
const began = Date.now()
try {
  const state = join(directory, 'state')
  execFileSync('mkdir', ['-m', '711', state])
  await symlink(join(repository, '.kvmio/systems'), join(state, 'systems'))
  const config = join(directory, 'kvmio.yaml')
  await writeFile(config, JSON.stringify(configOf(state)))
  const observations = await runAll(config, join(state, 'vms'))
  const rows = studies.map(({ id, point }) => rowOf(id, point, observations.get(id), state))
  const text = markdown(rows, {
    commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      cwd: repository,
      encoding: 'utf8',
    }).trim(),
    date: new Date().toISOString().slice(0, 10),
    host: `${cpus().length} processors, kernel ${release()}, ${execFileSync('qemu-system-x86_64', ['--version'], { encoding: 'utf8' }).split('\n')[0]}`,
    seconds: Math.round((Date.now() - began) / 1000),
    filesystems: here,
  })
  process.stdout.write(`\n${text}`)
  if (values.write !== undefined) await writeFile(values.write, text)
  const failed = rows.filter(({ problems }) => problems.length > 0)
  process.stdout.write(`\n${rows.length - failed.length} passed, ${failed.length} failed\n`)
  process.exitCode = failed.length === 0 && rows.length > 0 ? 0 : 1
} finally {
  await rm(directory, { recursive: true, force: true })
}

function nameOf({ words }: MatrixCase): string {
  return Object.values(words).join(' ')
}

function configOf(state: string) {
  const tiers = here.map((type) => [type, { filesystem: { type, size: '640MiB' } }])
  const guests = studies.map(({ id, point }) => [
    id,
    {
      memory: '96MiB',
      accel: 'tcg',
      drives: { root: { tier: point.filesystem, size: `${SIZE_MIB}MiB`, ...inUnits(point) } },
    },
  ])
  const workload = {
    'boot-write-shutdown': {
      write: `${WRITTEN / MIB}MiB`,
      blockSize: '64KiB',
      to: 'device',
      direct: true,
      settle: '1s',
    },
  }
  return {
    state,
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

/** Runs every study once and looks at each vm while its guest writes. */
async function runAll(config: string, vmsDir: string): Promise<Map<string, Observation>> {
  const main = join(repository, 'src/main.ts')
  const args = ['run', '--once', '--config.file', config, '--web.listen-address', '127.0.0.1:0']
  const child = spawn(NODE, [main, ...args, ...studies.map(({ id }) => id)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const ended = once(child, 'exit')
  const late = setTimeout(() => child.kill('SIGTERM'), LIMIT_MS)
  const observations = new Map<string, Observation>()
  while (child.exitCode === null && child.signalCode === null) {
    for (const vm of await writingVms(vmsDir)) {
      const study = studies.find(({ id }) => vm.startsWith(`${id}-`))
      if (!study || observations.has(study.id)) continue
      const seen = await observe(vmsDir, vm, study.point.drive).catch((error) => ({
        disk: 'none',
        driver: 'none',
        differences: [String(error)],
      }))
      observations.set(study.id, seen)
    }
    await Promise.race([sleep(POLL_MS), ended])
  }
  clearTimeout(late)
  return observations
}

interface LastSample {
  drives: { write: { operations: number; bytes: number }; flush: { operations: number } }[]
  guestDisks: { stat: string }[]
}

function rowOf(id: string, point: MatrixCase, seen: Observation | undefined, state: string): Row {
  const { outcome, reason, sample } = journalOf(id, state)
  const drive = sample?.drives[0]
  const guest = sample?.guestDisks[0]?.stat.split(' ').map(Number)
  const guestBytes = guest && guest[6]! * 512
  const problems = [
    ...(outcome === 'passed' ? [] : [`the run ${outcome ?? 'did not start'}: ${reason ?? ''}`]),
    ...(seen ? seen.differences : ['no vm was seen']),
    ...(drive?.write.bytes === WRITTEN
      ? []
      : [`qemu wrote ${drive?.write.bytes} bytes, not ${WRITTEN}`]),
    ...(guestBytes === WRITTEN ? [] : [`the guest wrote ${guestBytes} bytes, not ${WRITTEN}`]),
  ]
  return {
    words: point.words,
    disk: seen?.disk ?? '',
    driver: seen?.driver ?? '',
    guestWrites: guest?.[4],
    driveWrites: drive?.write.operations,
    driveFlushes: drive?.flush.operations,
    problems,
  }
}

function journalOf(study: string, state: string) {
  const db = new DatabaseSync(join(state, 'journal.sqlite'), { readOnly: true })
  try {
    const row = db
      .prepare(
        `SELECT runs.outcome, runs.reason, last_sample FROM vms JOIN runs ON runs.id = run_id
         JOIN blocks ON blocks.id = block_id JOIN studies ON studies.id = study_id WHERE studies.name = ?`,
      )
      .get(study)
    const sample = row?.last_sample
      ? (JSON.parse(String(row.last_sample)) as LastSample)
      : undefined
    return { outcome: row?.outcome as string | undefined, reason: row?.reason as string, sample }
  } finally {
    db.close()
  }
}
