// Real guests under a real `kvmio serve`, held still between their loads, so that each layer's counters can be read at
// rest: whatever a load did is in the difference of two readings, whichever layer is asked first.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { vmFiles } from '../../src/guest/plan.ts'
import { Qmp } from '../../src/source/qmp.ts'
import {
  type ConfigText,
  type Home,
  homeFor,
  type Page,
  type Serving,
  scrape,
  serve,
  until,
} from '../e2e/kvmio.ts'
import { QUIET_SECONDS, quietPhase, SAMPLED_MS } from './guest-load.ts'

const POLL_MS = 100
/** Two seconds of the sampler. */
const SAMPLER_MS = 2_100

/** A vm may have to wait until others have ended. */
const TURN_MS = 600_000

/** What is to be undone at the end of a part, the last first. */
export class Teardown {
  readonly #steps: (() => Promise<unknown> | unknown)[] = []

  teardown(step: () => Promise<unknown> | unknown): void {
    this.#steps.unshift(step)
  }

  async run(): Promise<void> {
    for (const step of this.#steps.splice(0)) await step()
  }
}

/** One reading of /metrics while all guests were held. */
export interface Reading {
  page: Page
  /** Nanoseconds of CLOCK_MONOTONIC, while it was read. */
  at: bigint
}

export interface Stage {
  home: Home
  serving: Serving
}

/** Starts `serve` with this config. */
export async function openStage(t: Teardown, config: ConfigText): Promise<Stage> {
  const home = await homeFor(t, config)
  return { home, serving: await serve(home) }
}

/** The block device that a tier stands on. */
export async function deviceOf({ serving }: Stage, tier: string): Promise<BlockDevice> {
  const page = await scrape(serving)
  const name = page.all('kvmio_tier_device_info').find(({ labels }) => labels.tier === tier)
  const device = name?.labels.device ?? ''
  const info = page.all('kvmio_device_info').find(({ labels }) => labels.device === device)
  if (!info) throw new Error(`tier ${tier} has no device on the page`)
  return { device, major: Number(info.labels.major), minor: Number(info.labels.minor) }
}

export interface BlockDevice {
  device: string
  major: number
  minor: number
}

/** Waits until these vms are quiet after so many loads, holds them still, reads, and lets them go. */
export async function readHeld(
  stage: Stage,
  vms: readonly string[],
  loads: number,
  use: (serving: Serving) => Promise<Reading> = read,
): Promise<Reading> {
  const held = await Promise.all(vms.map((vm) => hold(stage.home, vm, loads)))
  try {
    const reading = await use(stage.serving)
    await Promise.all(held.map((qmp) => qmp.command('cont')))
    return reading
  } finally {
    for (const qmp of held) qmp.close()
  }
}

/**
 * Reads /metrics when the device has done nothing for as long as the sampler takes to see it, and does nothing meanwhile:
 * a filesystem's journal is written up to five seconds after a load.
 */
export async function readAtRest(serving: Serving, device: string): Promise<Reading> {
  for (let line = await statOf(device), since = Date.now(); ; await sleep(POLL_MS)) {
    const now = await statOf(device)
    if (now !== line) [line, since] = [now, Date.now()]
    if (Date.now() - since < SAMPLER_MS) continue
    const reading = await read(serving)
    if ((await statOf(device)) === line) return reading
  }
}

/** A device's line of /proc/diskstats. */
export async function statOf(device: string): Promise<string> {
  const rows = (await readFile('/proc/diskstats', 'utf8')).split('\n')
  return rows.find((row) => row.includes(` ${device} `)) ?? ''
}

/** Reads /metrics now. */
export async function read(serving: Serving): Promise<Reading> {
  const at = process.hrtime.bigint()
  return { page: await scrape(serving), at }
}

/** Stops the vm by the QMP socket that is a person's. */
async function hold(home: Home, vm: string, loads: number): Promise<Qmp> {
  const directory = join(home.state, 'vms', vm)
  const { phaseLog, qmpDebug } = vmFiles(directory)
  const phase = quietPhase(loads)
  const isIn = async () => (await phases(phaseLog)).includes(phase)
  await until(`vm ${vm} to be in phase ${phase}`, isIn, TURN_MS)
  const qmp = await Qmp.connect({ name: `vm ${vm}`, path: qmpDebug })
  await sleep(SAMPLED_MS)
  await qmp.command('stop', undefined, 30_000)
  if ((await phases(phaseLog)).at(-1) !== phase) {
    qmp.close()
    throw new Error(
      `vm ${vm}: its ${QUIET_SECONDS} quiet seconds were over before it was held: is this host too busy?`,
    )
  }
  return qmp
}

/** The phases that a guest has said, in order. */
async function phases(phaseLog: string): Promise<string[]> {
  const text = await readFile(phaseLog, 'utf8').catch(() => '')
  return [...text.matchAll(/^kvmio \d+ \S+ phase (\S+)$/gm)].map(([, phase]) => phase!)
}

/** Waits until the study's runs have ended; throws unless they passed. */
export async function awaitRuns({ home }: Stage, study: string, count = 1): Promise<void> {
  const { outcomes } = await until(`the runs of ${study} to end`, () => {
    const rows = query<{ outcome: string | null; reason: string | null }>(
      home,
      `SELECT outcome, reason FROM runs JOIN blocks ON blocks.id = block_id
       JOIN studies ON studies.id = study_id WHERE studies.name = ? AND outcome IS NOT NULL`,
      study,
    )
    return rows.length >= count && { outcomes: rows }
  })
  const failed = outcomes.find(({ outcome }) => outcome !== 'passed')
  if (failed) throw new Error(`a run of ${study} ${failed.outcome}: ${failed.reason}`)
}

/** What a vm's guest told by this name, from the journal. */
export function resultOf({ home }: Stage, vm: string, name: string): string {
  const [row] = query<{ content: string }>(
    home,
    'SELECT content FROM results JOIN vms ON vms.id = vm_id WHERE vms.name = ? AND results.name = ?',
    vm,
    name,
  )
  if (!row) throw new Error(`vm ${vm} told no result ${name}`)
  return row.content
}

function query<Row>({ state }: Home, sql: string, ...values: string[]): Row[] {
  const db = new DatabaseSync(join(state, 'journal.sqlite'), { readOnly: true, timeout: 2_000 })
  try {
    return db.prepare(sql).all(...values) as Row[]
  } finally {
    db.close()
  }
}
