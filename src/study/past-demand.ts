import type { Boot } from '../density/boot.ts'
import type { Mix } from '../density/capacity.ts'
import { mixOf, type Operations, type TierCapacity, tierService } from '../density/cost.ts'
import { pooled, type SeenDemand } from '../density/pooled.ts'
import type { Demand } from '../density/records.ts'
import { CACHE_MODES } from '../guest/cache-mode.ts'
import type { VmPlan } from '../guest/plan.ts'
import type { LastSample } from '../guest/running-vm.ts'
import type { JournalReader } from '../journal/journal.ts'
import { type PastRun, type PastVm, pastRuns } from '../journal/past-runs.ts'
import { lastRamp } from '../journal/ramps.ts'
import { mean } from './load-window.ts'
import { demandOf } from './ramp/demand.ts'
import type { StepFigures } from './ramp/step.ts'

/** Among more vms than these each asks for what the others leave it. */
const MOST_VMS = 4
/** Of so many of the newest runs, so many at the most are taken. */
const AMONG = 500
const MOST_RUNS = 20
/** A run that serves for less tells little. */
const LEAST_SECONDS = 10

const ENDS = ['shutdown', 'off']

/** What past vms of a guest have shown of what one takes; what nobody has seen is absent. */
export interface PastDemand {
  demand?: Demand
  /** What they did for the most part; absent where that was not kept. */
  mix?: Mix
  boot?: Boot
  /** Of the host, that of qemu counted in, bytes. */
  memory?: PastMemory
  /** Processors, the host's own work counted in. */
  cpu?: number
  /** What the demand is known from. */
  seen?: Seen
}

export interface PastMemory {
  /** What qemu took at the end, the most of all. */
  takenBytes: number
  /** What the balloon left the guest, the most of all; absent without a balloon. */
  leftBytes?: number
}

export interface Seen {
  from: 'ramp' | 'runs'
  /** Of runs or of steps. */
  count: number
  /** At once, from and to. */
  vms: [least: number, most: number]
  seconds: number
}

interface Question {
  guest: string
  tier: string
  capacity: TierCapacity
  /** Of this host. */
  cpus: number
}

/** From the steps with few vms of the last ramp, or else from runs with few. */
export function pastDemand(journal: JournalReader, question: Question): PastDemand {
  const { guest, tier } = question
  const runs = pastRuns(journal, guest, { mostVms: MOST_VMS, among: AMONG, most: MOST_RUNS })
  const here = runs.filter((run) => run.vms.every((vm) => isAsked(vm, tier)))
  const steps = rampSteps(journal, question)
  const ofRamp = rampDemands(steps)
  const seen = ofRamp.length > 0 ? ofRamp : here.flatMap((run) => runDemand(run, question))
  const demand = pooled(seen)
  const boot = bootOf(here, question)
  const memory = memoryOf(runs, steps)
  const cpu = (ofRamp.length > 0 ? rampCpu : runCpu)(steps, runs, question)
  return {
    ...(demand && { demand, seen: { from: seen === ofRamp ? 'ramp' : 'runs', ...seenIn(seen) } }),
    ...(seen !== ofRamp && here.length > 0 && { mix: mixOf(operationsOf(here, tier)) }),
    ...(boot && { boot }),
    ...(memory && { memory }),
    ...(cpu !== undefined && { cpu }),
  }
}

function seenIn(seen: readonly SeenDemand[]): Omit<Seen, 'from'> {
  const vms = seen.map((one) => one.vms)
  return {
    count: seen.length,
    vms: [Math.min(...vms), Math.max(...vms)],
    seconds: seen.reduce((sum, { seconds }) => sum + seconds, 0),
  }
}

/** A step of a ramp, as far as it is asked here. */
interface Step {
  vms: number
  figures: Partial<StepFigures>
}

function rampSteps(journal: JournalReader, { tier, guest }: Question): Step[] {
  const steps = lastRamp(journal, tier, guest)?.steps ?? []
  return steps.flatMap(({ vms, verdict, figures }) =>
    verdict === 'void' ? [] : [{ vms, figures: figures as Partial<StepFigures> }],
  )
}

function rampDemands(steps: readonly Step[]): SeenDemand[] {
  return steps.flatMap(({ vms, figures: { demand, seconds } }) =>
    !demand || !seconds || vms > MOST_VMS ? [] : [{ demand, vms, seconds }],
  )
}

/** Whether what the vm asked of qemu is what the tier got: its drives there pass the page cache by. */
function isAsked({ plan }: PastVm, tier: string): boolean {
  const drives = drivesOn(plan, tier)
  return drives.length > 0 && drives.every(({ cache }) => CACHE_MODES[cache]?.direct)
}

function drivesOn(plan: unknown, tier: string): VmPlan['drives'] {
  return (plan as VmPlan).drives.filter((drive) => drive.tier === tier)
}

/** From the end of the boot to the beginning of the shutdown, in the seconds that are known of all vms. */
function runDemand(run: PastRun, question: Question): SeenDemand[] {
  const series = run.vms.map((vm) => {
    const cost = costOf(vm, question)
    const [from, to] = servingOf(vm)
    const seconds = vm.samples.filter(({ at }) => at > from && at <= to)
    return new Map(seconds.map(({ at, transactions }) => [at, transactions * cost]))
  })
  const [first, ...rest] = series
  const shared = [...(first?.keys() ?? [])].filter((at) => rest.every((other) => other.has(at)))
  const demand = demandOf(series.map((one) => shared.map((at) => one.get(at)!)))
  if (!demand || shared.length < LEAST_SECONDS || !Number.isFinite(demand.mean)) return []
  return [{ demand, vms: run.vms.length, seconds: shared.length }]
}

function servingOf({ phases }: PastVm): [from: number, to: number] {
  const booted = phases.find((_, index) => phases[index - 1]?.phase === 'boot')
  const end = phases.find(({ phase }) => ENDS.includes(phase))
  return [booted?.at ?? 0, end?.at ?? Number.POSITIVE_INFINITY]
}

/** Device-seconds that a transaction of the vm costs on the tier, on average; NaN where that is not known. */
function costOf(vm: PastVm, { tier, capacity }: Question): number {
  const names = drivesOn(vm.plan, tier).map(({ name }) => name)
  const here = operations(vm.counts.filter(({ name }) => names.includes(name)))
  const all = operations(vm.counts)
  const service = tierService(capacity, mixOf(here))
  const transactions = all.reads + all.writes + all.flushes
  if (!service || transactions === 0) return Number.NaN
  return (here.reads + here.writes) / service.peak / transactions
}

function operationsOf(runs: readonly PastRun[], tier: string): Operations {
  const counts = runs.flatMap(({ vms }) =>
    vms.flatMap((vm) => {
      const names = drivesOn(vm.plan, tier).map(({ name }) => name)
      return vm.counts.filter(({ name }) => names.includes(name))
    }),
  )
  return operations(counts)
}

function operations(counts: readonly Partial<Operations>[]): Operations {
  const of = (key: keyof Operations) => counts.reduce((sum, count) => sum + (count[key] ?? 0), 0)
  return { reads: of('reads'), writes: of('writes'), flushes: of('flushes') }
}

/** What a boot of one vm took of the tier in all, on average. */
function bootOf(runs: readonly PastRun[], question: Question): Boot | undefined {
  const works = runs.flatMap(({ vms }) =>
    vms.flatMap((vm) => {
      const begun = vm.phases.find(({ phase }) => phase === 'boot')?.at
      const [booted] = servingOf(vm)
      const cost = costOf(vm, question)
      if (begun === undefined || Number.isNaN(cost)) return []
      const during = vm.samples.filter(({ at }) => at > begun && at <= booted)
      const work = during.reduce((sum, { transactions }) => sum + transactions * cost, 0)
      return during.length === 0 ? [] : [work]
    }),
  )
  return works.length === 0 ? undefined : { work: mean(works) }
}

function memoryOf(runs: readonly PastRun[], steps: readonly Step[]): PastMemory | undefined {
  const ends = runs.flatMap(({ vms }) => vms.flatMap(({ lastSample }) => memory(lastSample) ?? []))
  const taken = [
    ...ends.map(({ takenBytes }) => takenBytes),
    ...steps.flatMap(({ figures }) => figures.memory ?? []),
  ]
  const left = ends.flatMap(({ leftBytes }) => leftBytes ?? [])
  if (taken.length === 0) return undefined
  return {
    takenBytes: Math.max(...taken),
    ...(left.length > 0 && { leftBytes: Math.max(...left) }),
  }
}

function memory(lastSample: unknown): PastMemory | undefined {
  const { process, balloon } = (lastSample as Partial<LastSample> | undefined)?.memory ?? {}
  if (!process) return undefined
  return {
    takenBytes: process.totalBytes,
    ...(balloon && { leftBytes: balloon.actualBytes }),
  }
}

/** What one vm more takes, from step to step: what else the host does is in all of them. */
function rampCpu(
  steps: readonly Step[],
  _: readonly PastRun[],
  { cpus }: Question,
): number | undefined {
  const points = steps.flatMap(({ vms, figures }) =>
    figures.cpu ? [{ vms, busy: figures.cpu.busy * cpus }] : [],
  )
  if (points.length === 0) return undefined
  const [vms, busy] = [mean(points.map((one) => one.vms)), mean(points.map((one) => one.busy))]
  const spread = mean(points.map((one) => (one.vms - vms) ** 2))
  if (spread === 0) return busy / vms
  return Math.max(0, mean(points.map((one) => (one.vms - vms) * (one.busy - busy))) / spread)
}

/**
 * By two figures that are both too high, the lower one: what the host was busy with while the vms were at work has its
 * neighbours in it, and the processor time of a qemu over its life has the boot in it.
 */
function runCpu(
  _: readonly Step[],
  runs: readonly PastRun[],
  { cpus }: Question,
): number | undefined {
  const shares = runs.flatMap(({ cpuBusy, vms }) =>
    cpuBusy === undefined ? [] : [(cpuBusy * cpus) / vms.length],
  )
  const lives = runs.flatMap(({ vms }) => vms.flatMap((vm) => cpuOf(vm) ?? []))
  const known = [shares, lives].filter(({ length }) => length > 0).map(mean)
  return known.length === 0 ? undefined : Math.min(...known)
}

/** Processors, on average from the boot to the end. */
function cpuOf({ lastSample, phases }: PastVm): number | undefined {
  const { cpuSeconds } = (lastSample as Partial<LastSample> | undefined) ?? {}
  const [begun, ended] = [phases.at(0), phases.at(-1)]
  if (cpuSeconds === undefined || !begun || !ended || ended.at <= begun.at) return undefined
  return cpuSeconds / (ended.at - begun.at)
}
