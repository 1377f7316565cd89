// A recorded host as collectors see it: its files, and vms whose qemu answers what a real one answered.
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import type { Drive, GuestDisk, Vm } from '../../src/attribution/records.ts'
import type { Scrape } from '../../src/collector/collector.ts'
import type { DensityRecord } from '../../src/collector/density.ts'
import { Journal } from '../../src/journal/journal.ts'
import { HangGuard } from '../../src/lib/hang-guard.ts'
import type { Family, Sample } from '../../src/metrics/family.ts'
import { Sampler } from '../../src/sampler/sampler.ts'
import { type IostatReader, iostatBlocks, parseIostatReport } from '../../src/source/iostat.ts'
import { PhaseLog } from '../../src/source/phase-channel.ts'
import type { Qmp } from '../../src/source/qmp.ts'
import { fixture } from '../source/fixtures.ts'

export const HOST = 'pvm-debian12'

/** A folder that is gone when the test has ended. */
export async function folder(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-collector-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** A journal without a study. */
export async function emptyJournal(t: Test, now?: () => number): Promise<Journal> {
  const journal = new Journal(join(await folder(t), 'journal.sqlite'), now)
  t.teardown(() => journal.close())
  return journal
}

/** The fixture's /proc and /sys, with files of a test's own over them. */
export async function hostWith(t: Test, files: Readonly<Record<string, string>>): Promise<string> {
  const directory = await folder(t)
  for (const name of ['proc', 'sys', 'cgroup']) {
    await cp(fixture(`${HOST}/${name}`), join(directory, name), { recursive: true })
  }
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true })
    await writeFile(join(directory, path), text)
  }
  return directory
}

/** The config's defaults, and nothing known of any guest. */
export const NO_DENSITY: DensityRecord = {
  settings: { zScore: 1.645, utilisationCap: 0.7, cpuCap: 0.8, memoryReserve: 2 ** 30 },
  ...{ guests: [], demands: [], ramps: [] },
}

/** Of the recorded host, without vms, tiers and studies. */
export async function scrapeOf(
  t: Test,
  more: Partial<Scrape> & { root?: string } = {},
): Promise<Scrape & { errors: [collector: string, message: string][] }> {
  const { root = fixture(HOST), ...parts } = more
  const errors: [string, string][] = []
  const sampler = parts.sampler ?? samplerOf(join(root, 'proc'), [])
  const scrape: Scrape = {
    procRoot: join(root, 'proc'),
    sysRoot: join(root, 'sys'),
    vms: [],
    knownVms: [],
    tiers: [],
    studies: [],
    journal: parts.journal ?? (await emptyJournal(t)),
    sampler,
    density: () => NO_DENSITY,
    guard: new HangGuard(),
    memory: { of: () => undefined },
    descriptors: { of: () => undefined },
    images: { of: () => undefined },
    hierarchy: { version: 1, root: join(root, 'cgroup/blkio') },
    showsDevice: () => true,
    timeoutMs: 2_000,
    onError: (collector, error) => errors.push([collector, (error as Error).message]),
    ...parts,
  }
  return { ...scrape, errors }
}

export function samplerOf(procRoot: string, vms: readonly Vm[], clock = { now: 0 }): Sampler {
  return new Sampler({
    procRoot,
    hierarchy: { version: 1, root: join(procRoot, '../cgroup/blkio') },
    vms: () => vms,
    tiers: () => [
      { name: 'local', kind: 'directory', device: 'vda', ratedTransactionsPerSecond: 400 },
    ],
    onError: () => {},
    now: () => clock.now,
  })
}

export function drive(name: string, more: Partial<Drive> = {}): Drive {
  return {
    name,
    tier: 'local',
    bus: 'virtio-blk',
    format: 'qcow2',
    cache: 'none',
    direct: true,
    aio: 'threads',
    preallocation: 'off',
    lazyRefcounts: false,
    extendedL2: false,
    backing: 0,
    discard: 'ignore',
    detectZeroes: 'off',
    iothread: false,
    backend: { kind: 'file', path: `/var/lib/kvmio/local/${name}.qcow2` },
    id: `drive-${name}`,
    ...more,
  }
}

export function vm(name: string, more: Partial<Vm> = {}): Vm {
  return {
    name,
    manager: 'kvmio',
    study: 'demo',
    case: 'virtio-blk-qcow2',
    slot: 1,
    guest: 'student',
    system: 'appliance',
    workload: 'boot-write-shutdown',
    accelerator: 'tcg',
    drives: [drive('root'), drive('data', { bus: 'ide', format: 'raw' })],
    adopted: false,
    pid: 4711,
    memoryBytes: 192 * 2 ** 20,
    cgroup: 'vm',
    qmp: answering(() => Promise.resolve([])),
    guestDisks: () => [],
    ...more,
  }
}

/** Stands in for a qemu: what it would say to a command. */
export function answering(
  answer: (command: string) => Promise<unknown>,
  lastAnswerTime?: number,
): Qmp {
  return { command: answer, query: answer, lastAnswerTime } as unknown as Qmp
}

/** What a real qemu answered to query-blockstats. */
export async function recordedBlockstats(name: string): Promise<unknown> {
  return JSON.parse(await readFile(fixture(`${HOST}/qmp/${name}.json`), 'utf8'))
}

/** What a real qemu answered to query-balloon, and to qom-get for the guest's figures. */
export async function recordedBalloon(name: string): Promise<Record<string, unknown>> {
  const text = await readFile(fixture(`${HOST}/qmp/${name}.json`), 'utf8')
  const { balloon, stats } = JSON.parse(text)
  return { 'query-balloon': balloon, 'qom-get': stats }
}

/** The last state that a real guest told of its disks. */
export async function recordedGuestDisks(): Promise<GuestDisk[]> {
  const lines = await new PhaseLog(fixture(`${HOST}/phase/two-drives.txt`)).read()
  const disks = lines.flatMap((line) => (line.kind === 'disk' ? [line] : []))
  const last = new Map(disks.map(({ disk, drive, stat }) => [disk, { disk, drive, stat }]))
  return [...last.values()]
}

/** An iostat that has just said its second block. */
export async function recordedIostat(): Promise<IostatReader> {
  const text = await readFile(fixture(`${HOST}/iostat/12.6.1.json`), 'utf8')
  const devices = parseIostatReport(iostatBlocks()(text)[1]!)
  return { latest: () => ({ at: 0, devices }) } as unknown as IostatReader
}

/** The values of a family by its labels' values: `vda` or `demo-1 root`. */
export function valuesOf(samples: readonly Sample[], family: Family): Record<string, unknown> {
  return Object.fromEntries(
    samples
      .filter((sample) => sample.family === family)
      .map(({ labels, value }) => [family.labels.map((name) => labels[name]).join(' '), value]),
  )
}

/** The names of all families that have a sample. */
export function namesOf(samples: readonly Sample[]): string[] {
  return [...new Set(samples.map(({ family }) => family.name))]
}
