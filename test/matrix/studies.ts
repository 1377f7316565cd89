import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'

const repository = join(import.meta.dirname, '../..')
const NODE = join(repository, 'node_modules/.bin/node')
const POLL_MS = 100
const LIMIT_MS = 45 * 60_000

export interface LastSample {
  drives: { write: { operations: number; bytes: number }; flush: { operations: number } }[]
  guestDisks: { stat: string }[]
}

export interface Ended {
  outcome?: string
  reason?: string
  sample?: LastSample
}

/** Studies that have run once each. */
export interface Studies {
  /** How the one run of a study went, as the journal has it. */
  ended(study: string): Ended
}

/**
 * Runs every study of a config once, through the real program on a state directory of its own, and calls `watch` with
 * the folder of the vms' folders each tenth of a second meanwhile. What `use` gives is what it gives.
 */
export async function withStudies<T>(
  config: Record<string, unknown>,
  watch: (vmsDir: string) => Promise<void>,
  use: (studies: Studies) => T,
): Promise<T> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'kvmio-matrix-')))
  try {
    const state = join(directory, 'state')
    await mkdir(state, { mode: 0o711 })
    await symlink(join(repository, '.kvmio/systems'), join(state, 'systems'))
    const file = join(directory, 'kvmio.yaml')
    await writeFile(file, JSON.stringify({ state, ...config }))
    await run(file, Object.keys(config.studies as object), () => watch(join(state, 'vms')))
    return use({ ended: (study) => endOf(study, state) })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** What the figures depend on. */
export function hostWords(): string {
  const [qemu] = execFileSync('qemu-system-x86_64', ['--version'], { encoding: 'utf8' }).split('\n')
  return `${cpus().length} processors, kernel ${release()}, ${qemu}`
}

export function commitWords(): string {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: repository, encoding: 'utf8' }).trim()
  const changed = git('status', '--porcelain', '--', 'src').length > 0
  return `${git('rev-parse', '--short', 'HEAD')}${changed ? ' with changes' : ''}`
}

async function run(file: string, studies: readonly string[], watch: () => Promise<void>) {
  const main = join(repository, 'src/main.ts')
  const flags = ['--once', '--config.file', file, '--web.listen-address', '127.0.0.1:0']
  const child = spawn(NODE, [main, 'run', ...flags, ...studies], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const ended = once(child, 'exit')
  const late = setTimeout(() => child.kill('SIGTERM'), LIMIT_MS)
  while (child.exitCode === null && child.signalCode === null) {
    await watch()
    await Promise.race([sleep(POLL_MS), ended])
  }
  clearTimeout(late)
}

function endOf(study: string, state: string): Ended {
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
    return { outcome: row?.outcome as string, reason: row?.reason as string, sample }
  } finally {
    db.close()
  }
}
