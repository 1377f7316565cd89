// What the parts of the lab suite do inside the lab host.
import { glob, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Test } from 'tap'
import { kvmFingerprint } from '../../src/host/accelerator.ts'
import { readQemuVersion } from '../../src/host/qemu.ts'
import { Journal } from '../../src/journal/journal.ts'
import { setHostVerdict } from '../../src/journal/verdicts.ts'
import { messageOf } from '../../src/lib/errors.ts'
import { run } from '../../src/lib/process.ts'
import {
  type ConfigText,
  guestOn,
  type Home,
  homeFor,
  type Kvmio,
  kvmio,
  type Page,
  type Serving,
  says,
  scrape,
  until,
} from '../e2e/kvmio.ts'

/** The lab host's second disk, of 100 transactions a second: its name and its path. */
export const DISK = { name: 'vdb', path: '/dev/disk/by-id/virtio-disk' }

/** The lab host's NVMe controller, which nothing uses, and its disk. */
export const SPARE = { pci: '0000:01:00.0', disk: 'nvme0n1' }

/** Of what Node now and then dies in the emulator, and how often that is put up with. */
export const DEATH: ReadonlySet<unknown> = new Set(['SIGSEGV', 'SIGTRAP', 'SIGILL', 'SIGABRT'])
export const DEATHS = 3

const TELL_MS = 20_000
const PATIENCE_MS = 300_000

/** Where a part's output goes. */
export const OUTPUT = process.env.LAB_OUTPUT ?? '/var/tmp/output'

/** Makes an ext4 on the second disk and mounts it there until the test has ended. */
export async function mountDisk(t: Test, place: string): Promise<void> {
  await mkdir(place, { recursive: true })
  // Little that is still to be written when the test begins: the disk is slow.
  const small = ['-N', '1024', '-J', 'size=4', '-E', 'lazy_itable_init=0,lazy_journal_init=0']
  await run('mkfs.ext4', ['-q', ...small, DISK.path], { timeoutMs: PATIENCE_MS })
  await run('mount', [DISK.path, place])
  t.teardown(async () => {
    await run('umount', [place])
  })
}

/** A small guest with one drive on this tier, for a host that may take minutes to boot it. */
export function labGuest(tier: string, drive: ConfigText = {}): ConfigText {
  return guestOn(tier, { accel: 'kvm', deadlines: { start: '5m', boot: '8m' } }, drive)
}

/** A home whose kvmio takes for granted that guests boot under KVM here: the trial's 15 s are too short for this host. */
export async function labHome(t: Test, config: ConfigText): Promise<Home> {
  const home = await homeFor(t, config)
  await guestsBootHere(home)
  return home
}

/** Spares its kvmio the trial. */
export async function guestsBootHere(home: Home): Promise<void> {
  // The first start of qemu has the whole of it read and translated; kvmio does not wait that long for its version.
  await run('qemu-system-x86_64', ['--version'], { timeoutMs: PATIENCE_MS })
  const journal = new Journal(join(home.state, 'journal.sqlite'))
  const fingerprint = await kvmFingerprint('/proc', await readQemuVersion('qemu-system-x86_64'))
  setHostVerdict(journal, 'kvm', fingerprint, { boots: true, reason: 'the lab has nested SVM' })
  journal.close()
}

/** Starts kvmio, and again where Node dies before it is as wanted. */
async function startUntil(
  home: Home,
  words: readonly string[],
  wanted: (started: Kvmio) => Promise<void>,
): Promise<Kvmio> {
  for (let deaths = 0; ; deaths++) {
    const started = kvmio(home, words)
    tellOf(started, home)
    try {
      await wanted(started)
      return started
    } catch (error) {
      if (!DEATH.has(started.child.signalCode) || deaths === DEATHS) throw error
    }
  }
}

/** Starts kvmio, which is to say this. */
export function startSaying(home: Home, words: readonly string[], what: string): Promise<Kvmio> {
  return startUntil(home, words, (started) => says(started, what))
}

/** Starts `run` of one study, once; its page can be asked for until it ends. */
export async function startStudy(home: Home, study: string): Promise<Serving> {
  const address = '127.0.0.1:10177'
  const url = `http://${address}`
  const words = ['run', study, '--once', '--web.listen-address', address]
  const started = await startUntil(home, words, async (started) => {
    const { child } = started
    await until('run to answer', async () => {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`run ended:\n${started.said()}`)
      return await fetch(`${url}/metrics`).then(
        ({ ok }) => ok,
        () => false,
      )
    })
  })
  return Object.assign(started, { url })
}

/** Puts into the part's output what kvmio says, and from time to time how far its guests are: what a deadline would cost. */
export function tellOf({ child }: Kvmio, { state }: Home): void {
  child.stderr?.on('data', (chunk) => console.error(`# ${String(chunk).trimEnd()}`))
  const timer = setInterval(async () => {
    for await (const file of glob(join(state, 'vms/*/{console,phase,qemu}.log'))) {
      const lines = (await readFile(file, 'utf8').catch(() => '')).trim().split(/\r?\n/)
      console.error(`# ${file}: ${lines.slice(-3).join('; ')}`)
    }
  }, TELL_MS)
  child.once('exit', () => clearInterval(timer))
}

/** Waits for a page of metrics to be as wanted, and keeps what was seen in the part's output. */
export async function pageWhere(
  serving: Serving,
  name: string,
  wanted: (page: Page) => boolean,
): Promise<Page> {
  try {
    let number = 0
    return await until(`${name} to be as wanted`, async () => {
      const page = await scrape(serving, '', 60)
      await writeFile(join(OUTPUT, `${name}-${++number}.prom`), page.text)
      return wanted(page) && page
    })
  } catch (error) {
    throw new Error(`${messageOf(error)}; kvmio has said:\n${serving.said()}`, { cause: error })
  }
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
