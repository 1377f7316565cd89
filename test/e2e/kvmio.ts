// The real program on a state directory of a test's own, which leaves nothing on the host, however the test ends.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  access,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { cgroupOf } from '../../src/cli/cgroups.ts'
import type { PackageSet } from '../../src/config/workload-schema.ts'
import { type Appliance, buildAppliance } from '../../src/guest/systems/appliance.ts'
import { buildPackageDrive } from '../../src/guest/systems/package-drive.ts'
import { UnavailableError } from '../../src/lib/errors.ts'
import { silentLog } from '../../src/lib/log.ts'
import { run } from '../../src/lib/process.ts'
import { findIoHierarchy } from '../../src/source/cgroup.ts'
import { readMounts } from '../../src/source/mounts.ts'
import { backingFiles } from '../../src/storage/loop.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import { type ParsedSample, parsePage } from '../metrics/exposition.ts'

export const repository = join(import.meta.dirname, '../..')

const NODE = join(repository, 'node_modules/.bin/node')
const SYSTEMS = join(repository, '.kvmio/systems')

/** How many times slower than a usual one the host is: the lab's is emulated. */
const SLOWNESS = Number(process.env.KVMIO_TEST_SLOWNESS ?? 1)
const POLL_MS = 50
/** A guest boots in 3 s here, and in 15 s beside three others. */
const PATIENCE_MS = 60_000 * SLOWNESS
const END_MS = 30_000 * SLOWNESS

/** The built-in system, from the repository's own state directory; or why this host cannot have it. */
export async function applianceOrLack(): Promise<{ appliance?: Appliance; lack: string | false }> {
  const lack = await missingPrograms(['qemu-system-x86_64', 'qemu-img'])
  if (lack !== undefined) return { lack }
  try {
    await mkdir(join(repository, '.kvmio'), { recursive: true, mode: 0o711 })
    return { appliance: await buildAppliance({ cacheDir: SYSTEMS, log: silentLog }), lack: false }
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error
    return { lack: error.message }
  }
}

/** The built-in installer's package drive, in the repository's own state directory; or why this host cannot have it. */
export async function packageDriveLack(packages: PackageSet): Promise<string | false> {
  try {
    await buildPackageDrive({ cacheDir: SYSTEMS, packages, log: silentLog })
    return false
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error
    return error.message
  }
}

/** The image that a run has kept under this name, as raw bytes in a file; gone from where it was kept. */
export async function takeKept({ state, directory }: Home, name: string): Promise<string> {
  const image = join(state, 'systems/installed', `${name}.qcow2`)
  const raw = join(directory, `${name}.raw`)
  try {
    await run('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', image, raw])
  } finally {
    await rm(image, { force: true }) // the folder is shared by all tests
  }
  return raw
}

/** Why this host cannot have the tier `slow`. */
export async function cannotEmulate(): Promise<string | false> {
  if (process.geteuid?.() !== 0) return 'needs root for loop devices and mounts'
  return (await missingPrograms(['losetup', 'mkfs.ext4', 'nbdkit', 'nbdfuse'])) ?? false
}

/** An initial ramdisk with all of the appliance's, and this /init: the kernel unpacks one archive over the other. */
export async function initrdWith(file: string, initrd: string, init: string): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'kvmio-initrd-'))
  try {
    await writeFile(join(work, 'init'), init, { mode: 0o755 })
    const archive = join(work, 'archive')
    const args = ['-o', '-H', 'newc', '--owner=0:0', '--quiet', '-O', archive]
    await run('cpio', args, { cwd: work, input: 'init\n' })
    await writeFile(file, Buffer.concat([await readFile(initrd), await readFile(archive)]))
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

export type ConfigText = Record<string, unknown>

/** A tier in the state directory, on the disk that this host has. */
export const LOCAL = { directory: 'state/local' }

/** A tier on a disk that takes 5 ms for each request. */
export const SLOW = { filesystem: { size: '256MiB' }, emulate: { serviceTime: '5ms' } }

/** A small guest with one drive on this tier; TCG, so that it is the same on every host. */
export function guestOn(tier: string, keys: ConfigText = {}, drive: ConfigText = {}): ConfigText {
  return {
    memory: '104MiB',
    accel: 'tcg',
    ...keys,
    drives: { root: { tier, size: '64MiB', format: 'raw', ...drive } },
  }
}

/** Writes past the guest's cache to the bare disk, so that its size and its block size say how long it takes. */
export function writes(write: string, blockSize = '64KiB', settle = '0s'): ConfigText {
  return {
    'boot-write-shutdown': { write, blockSize, to: 'device', direct: true, settle },
  }
}

/** A folder with a config and its state directory. */
export interface Home {
  directory: string
  configFile: string
  state: string
  config: ConfigText
  children: Kvmio[]
}

/** Makes one, gone with all that runs on it when the test has ended. */
export async function homeFor(t: Pick<Test, 'teardown'>, config: ConfigText): Promise<Home> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'kvmio-')))
  const home = await homeIn(directory, config)
  t.teardown(async () => {
    await clearHome(home)
    await rm(directory, { recursive: true, force: true })
  })
  return home
}

/** A home in this folder, with the state that an earlier one has left there. */
export async function homeIn(directory: string, config: ConfigText): Promise<Home> {
  const state = join(directory, 'state')
  await mkdir(state, { mode: 0o711, recursive: true })
  await rm(join(state, 'systems'), { force: true })
  await symlink(SYSTEMS, join(state, 'systems'))
  const home: Home = {
    directory,
    configFile: join(directory, 'kvmio.yaml'),
    state,
    config: { state: 'state', ...config },
    children: [],
  }
  await writeConfig(home, home.config)
  return home
}

/** Ends all that runs on a home, with its own `clean`; what it has written stays. */
export async function clearHome(home: Home): Promise<void> {
  for (const child of home.children) await endChild(child)
  await writeConfig(home, home.config)
  const { stdout, stderr } = await kvmio(home, ['clean']).end()
  const left = await whatIsLeft(home)
  if (left.length > 0) {
    throw new Error(`left on the host after clean: ${left.join('; ')}\n${stdout}${stderr}`)
  }
}

/** The config as JSON, which is YAML too. */
export async function writeConfig({ configFile }: Home, config: ConfigText): Promise<void> {
  await writeFile(configFile, JSON.stringify(config, null, 2))
}

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** One command, from its start to its end. */
export interface Kvmio {
  pid: number
  child: ChildProcess
  /** What it has said until now, on both of its outputs. */
  said(): string
  kill(signal: NodeJS.Signals): void
  /** Waits until it has ended; fails after half a minute, or another limit. */
  end(limitMs?: number): Promise<Ended>
}

/** Starts a command of the real command line in the home's folder. */
export function kvmio(home: Home, words: readonly string[]): Kvmio {
  const [command, args] =
    words[0] === 'journal'
      ? [words.slice(0, 2), words.slice(2)]
      : [words.slice(0, 1), words.slice(1)]
  const flags = ['serve', 'run', 'calibrate', 'density'].includes(words[0] ?? '')
    ? ['--web.listen-address', '127.0.0.1:0']
    : []
  const main = join(repository, 'src/main.ts')
  return start(home, [NODE, main, ...command, '--config.file', home.configFile, ...flags, ...args])
}

/** Starts any program as a child of the home, so that its end is cared for. */
export function start(home: Home, argv: readonly string[], cwd = home.directory): Kvmio {
  // tap hooks into every child through its environment, and takes 0.5 s of its start; env(1) takes the hooks out.
  const unset = ['NODE_OPTIONS', ...Object.keys(process.env).filter((name) => /^npm_/i.test(name))]
  const child = spawn('env', [...unset.flatMap((name) => ['-u', name]), ...argv], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  let both = ''
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      output[name] += chunk
      both += chunk
    })
  }
  const closed = once(child, 'close')
  const kvmio: Kvmio = {
    pid: child.pid ?? 0,
    child,
    said: () => both,
    kill: (signal) => void child.kill(signal),
    async end(limitMs = END_MS) {
      const late = new AbortController()
      const limit = sleep(limitMs, undefined, { signal: late.signal }).then(() => {
        throw new Error(`${argv.join(' ')} did not end in ${limitMs / 1000} s; it said:\n${both}`)
      })
      await Promise.race([closed, limit])
      late.abort()
      limit.catch(() => {})
      return { code: child.exitCode, signal: child.signalCode, ...output }
    },
  }
  home.children.push(kvmio)
  return kvmio
}

async function endChild(kvmio: Kvmio): Promise<void> {
  const { child } = kvmio
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    await kvmio.end().catch(() => {})
  }
}

/** A `serve` or `run` whose page can be asked for. */
export interface Serving extends Kvmio {
  url: string
}

/** Starts `serve` and waits until it is ready. */
export async function serve(home: Home, ...args: string[]): Promise<Serving> {
  const started = kvmio(home, ['serve', ...args])
  const url = await until('serve to say where its metrics are', async () => {
    if (started.child.exitCode !== null) throw new Error(`serve ended:\n${started.said()}`)
    return /metrics are served at (https?:\S+)\/metrics/.exec(started.said())?.[1]
  })
  return Object.assign(started, { url })
}

/** Waits for what is awaited to be there. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  limitMs = PATIENCE_MS,
): Promise<T> {
  const deadline = Date.now() + limitMs
  for (;;) {
    const seen = await look()
    if (seen !== undefined && seen !== false) return seen
    if (Date.now() > deadline) throw new Error(`waited ${limitMs / 1000} s for ${what}`)
    await sleep(POLL_MS)
  }
}

/** Waits until the command has said it. */
export async function says(kvmio: Kvmio, what: string | RegExp, limitMs?: number): Promise<void> {
  const found = () =>
    typeof what === 'string' ? kvmio.said().includes(what) : what.test(kvmio.said())
  const { child } = kvmio
  await until(
    `kvmio to say ${what}`,
    () => {
      if (found()) return true
      const ended = child.exitCode !== null || child.signalCode !== null
      if (ended) throw new Error(`kvmio ended before it said ${what}:\n${kvmio.said()}`)
      return false
    },
    limitMs,
  ).catch((error) => {
    throw new Error(`${error.message}; it said:\n${kvmio.said()}`)
  })
}

/** A page of metrics. */
export interface Page {
  /** Of the first series with these labels, which may have others too; undefined when there is none. */
  value(name: string, labels?: Record<string, string>): number | undefined
  all(name: string): ParsedSample[]
  /** How long it took, in milliseconds. */
  tookMs: number
  /** As it came. */
  text: string
}

export async function scrape({ url }: Serving, query = '', timeoutSeconds = 10): Promise<Page> {
  const began = performance.now()
  const response = await fetch(`${url}/metrics${query}`, {
    headers: { 'X-Prometheus-Scrape-Timeout-Seconds': String(timeoutSeconds) },
  })
  const text = await response.text()
  const tookMs = performance.now() - began
  if (response.status !== 200) throw new Error(`/metrics: ${response.status} ${text}`)
  // prom-client's own part has empty lines, which the format allows.
  const samples = parsePage(text.replaceAll(/^\n/gm, '')).flatMap(({ samples }) => samples)
  const all = (name: string) => samples.filter((sample) => sample.name === name)
  return {
    all,
    value(name, labels = {}) {
      const has = (sample: ParsedSample) =>
        Object.entries(labels).every(([key, value]) => sample.labels[key] === value)
      return all(name).find(has)?.value
    },
    tookMs,
    text,
  }
}

export interface VmRow {
  name: string
  pid: number | null
  outcome: string | null
  phases: string[]
}

export interface RunRow {
  id: number
  study: string
  case: string
  block: number
  outcome: string | null
  reason: string | null
  vms: VmRow[]
}

/** What the journal has of runs, in order; read beside the kvmio that writes it. */
export function journal({ state }: Pick<Home, 'state'>): RunRow[] {
  const db = new DatabaseSync(join(state, 'journal.sqlite'), { readOnly: true, timeout: 2_000 })
  try {
    const runs = db.prepare(
      `SELECT runs.id, studies.name AS study, case_name AS "case", number AS block, outcome, reason
       FROM runs JOIN blocks ON blocks.id = block_id JOIN studies ON studies.id = study_id ORDER BY runs.id`,
    )
    const vms = db.prepare('SELECT id, name, pid, outcome FROM vms WHERE run_id = ? ORDER BY id')
    const phases = db.prepare('SELECT phase FROM phases WHERE vm_id = ? ORDER BY seq')
    return (runs.all() as unknown as RunRow[]).map((run) => ({
      ...run,
      vms: vms.all(run.id).map(({ id, ...vm }) => ({
        ...(vm as unknown as VmRow),
        phases: phases.all(id as number).map(({ phase }) => String(phase)),
      })),
    }))
  } finally {
    db.close()
  }
}

/** Waits until the guest of this vm says that it is in this phase, by its own log: with or without a kvmio that reads. */
export async function guestSays(home: Home, vm: string, text: string): Promise<void> {
  const file = join(home.state, 'vms', vm, 'phase.log')
  await until(`vm ${vm} to say "${text}"`, async () => {
    return (await readFile(file, 'utf8').catch(() => '')).includes(text)
  })
}

/** The pid of the qemu of this vm, from its own command line. */
export async function qemuOf(home: Home, vm: string): Promise<number> {
  const found = await processes(join(home.state, 'vms', vm, 'qmp.sock'))
  if (found.length !== 1) throw new Error(`${found.length} processes of vm ${vm}`)
  return found[0]!.pid
}

/** The processes on whose command line this text is. */
export async function processes(text: string): Promise<{ pid: number; command: string }[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found = pids.map(async (pid) => {
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    const command = line.replaceAll('\0', ' ').trim()
    return command.includes(text) ? [{ pid: Number(pid), command }] : []
  })
  return (await Promise.all(found)).flat()
}

/** Asserts that nothing of the home's state directory is on this host but files. */
export async function nothingLeft(t: Test, home: Home): Promise<void> {
  t.strictSame(await whatIsLeft(home), [], 'nothing is left on the host')
}

async function whatIsLeft({ state }: Home): Promise<string[]> {
  const [running, mounts, loops, hierarchy, entries] = await Promise.all([
    processes(state),
    readMounts('/proc'),
    backingFiles('/sys'),
    findIoHierarchy('/proc'),
    readdir(state, { recursive: true, withFileTypes: true }),
  ])
  const own = [...loops].flatMap(([device, file]) => (file.startsWith(state) ? [device] : []))
  const elsewhere = own.length > 0 ? await mountedElsewhere() : new Set<string>()
  const cgroup = hierarchy && join(hierarchy.root, cgroupOf(state))
  const hasCgroup =
    cgroup !== undefined &&
    (await access(cgroup).then(
      () => true,
      () => false,
    ))
  return [
    ...running.map(({ pid, command }) => `process ${pid}: ${command.slice(0, 200)}`),
    ...mounts.flatMap(({ mountPoint }) => (mountPoint.startsWith(state) ? [mountPoint] : [])),
    ...own.flatMap((device) => (elsewhere.has(device) ? [] : [device])),
    ...(hasCgroup ? [cgroup] : []),
    ...entries.flatMap((entry) => (entry.isSocket() ? [join(entry.parentPath, entry.name)] : [])),
  ]
}

/**
 * Devices that a mount namespace of another process has mounted. Where the root mount is private, as in containers, what
 * debootstrap is run in keeps a copy of every mount of its beginning until it ends: not this home's doing.
 */
async function mountedElsewhere(): Promise<Set<string>> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const texts = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => '')),
  )
  const here = await readFile('/proc/self/mountinfo', 'utf8')
  const devicesOf = (text: string) => text.match(/(?<= \/dev\/)loop\d+(?= )/g) ?? []
  const others = new Set(texts.flatMap(devicesOf))
  for (const device of devicesOf(here)) others.delete(device)
  return others
}
