// What the parts of the lab suite do inside the lab host.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Test } from 'tap'
import { run } from '../../src/lib/process.ts'
import { type Home, type Kvmio, kvmio, type Serving, until } from '../e2e/kvmio.ts'

/** The lab host's second disk, of 100 transactions a second: its name and its path. */
export const DISK = { name: 'vdb', path: '/dev/disk/by-id/virtio-disk' }

/** A guest in a guest, both emulated: it boots in 15 s, and in a minute on a busy machine. */
export const NESTED_MS = 300_000

/** Where a part's output goes. */
export const OUTPUT = process.env.LAB_OUTPUT ?? '/var/tmp/output'

/** Makes a filesystem on the second disk and mounts it there until the test has ended. */
export async function mountDisk(t: Test, place: string, type = 'ext4'): Promise<void> {
  await mkdir(place, { recursive: true })
  await run(`mkfs.${type}`, ['-q', DISK.path], { timeoutMs: NESTED_MS })
  await run('mount', ['-t', type, DISK.path, place])
  t.teardown(async () => {
    await run('umount', [place])
  })
}

/** Starts `run` of one study, once; its page can be asked for until it ends. */
export async function startStudy(home: Home, study: string): Promise<Serving> {
  const started: Kvmio = kvmio(home, ['run', study, '--once'])
  const url = await until(
    'run to say where its metrics are',
    () => {
      if (started.child.exitCode !== null) throw new Error(`run ended:\n${started.said()}`)
      return /metrics are served at (http:\S+)\/metrics/.exec(started.said())?.[1]
    },
    NESTED_MS,
  )
  return Object.assign(started, { url })
}

/** Keeps the whole page of metrics as a file of the part's output. */
export async function keepPage({ url }: Serving, name: string): Promise<void> {
  const response = await fetch(`${url}/metrics`)
  await writeFile(join(OUTPUT, name), await response.text())
}

/** How long each vm of the state directory's last run was in this phase, in seconds. */
export function phaseSeconds({ state }: Home, phase: string): Map<string, number> {
  const db = new DatabaseSync(join(state, 'journal.sqlite'), { readOnly: true })
  try {
    const rows = db
      .prepare(
        `SELECT name, phase, uptime FROM phases JOIN vms ON vms.id = vm_id
         WHERE run_id = (SELECT max(id) FROM runs) ORDER BY vms.id, seq`,
      )
      .all() as { name: string; phase: string; uptime: number }[]
    return new Map(
      rows.flatMap((row, index) =>
        row.phase === phase ? [[row.name, rows[index + 1]!.uptime - row.uptime] as const] : [],
      ),
    )
  } finally {
    db.close()
  }
}
