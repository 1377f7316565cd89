import type { Config } from '../config/load.ts'
import { imageDrives } from '../config/passthrough.ts'
import { choice, unknownName } from '../config/problems.ts'
import type { GuestConfig, TierConfig } from '../config/schema.ts'
import { carefulService, type TierCapacity, tierService } from '../density/cost.ts'
import { vmMemory } from '../density/memory.ts'
import type { Question } from '../density/model.ts'
import { pooled } from '../density/pooled.ts'
import type { Constraint, DemandSource } from '../density/records.ts'
import type { JournalReader } from '../journal/journal.ts'
import { hasDensity, lastRamp } from '../journal/ramps.ts'
import { UsageError } from '../lib/errors.ts'
import { readSpace } from '../source/mounts.ts'
import { readHostCpu, readMeminfo } from '../source/proc.ts'
import { leastFree } from '../storage/free-space.ts'
import { tierRoom } from '../storage/tier-room.ts'
import { type PastDemand, pastDemand, type Seen } from '../study/past-demand.ts'
import { type StatedDemand, statedDemand } from '../study/stated-demand.ts'
import { tierCapacity } from '../study/tier-capacity.ts'
import { spaceRoom } from '../study/vm-space.ts'
import { type LiveVm, liveDemands } from './live-vms.ts'

/** What is asked. */
export interface DensityAsk {
  tier: string
  guest: string
  /** In place of the tier's own, seconds. */
  target?: number
  /** In place of the first that is known. */
  source?: DemandSource
}

/** What it is answered from. */
export interface DensityContext {
  config: Config
  /** Absent where nothing has run yet. */
  journal?: JournalReader
  /** Absent where no kvmio serves. */
  live?: readonly LiveVm[]
  procRoot: string
  sysRoot: string
}

/** A question for the model, and what its parts are known from. */
export interface DensityFacts extends Question {
  source?: DemandSource
  /** What the journal's demand was seen in. */
  seen?: Seen
  /** How many vms that run now a live demand is of. */
  liveVms?: number
  capacity: TierCapacity
}

interface Asked {
  tier: TierConfig
  guest: GuestConfig
}

// Below this one cannot say what a vm asks on average.
const LEAST_LIVE_SECONDS = 10

/** All that is known for the question how many vms of a guest fit on a tier. Throws where there is no such guest or tier. */
export async function densityFacts(
  ask: DensityAsk,
  context: DensityContext,
): Promise<DensityFacts> {
  const { config, journal, live = [], procRoot } = context
  const asked = find(ask, config)
  const capacity = tierCapacity(ask.tier, asked.tier, journal)
  const { cpus } = await readHostCpu(procRoot)
  const past = journal ? pastDemand(journal, { ...ask, capacity, cpus }) : {}
  const stated = statedDemand(asked.guest.demand, capacity)
  const targetLatency = ask.target ?? asked.tier.target?.latency
  const measured = journal && measuredBy(journal, ask, targetLatency)
  const demand = demandOf(ask, stated, past, live)
  const { mix } = demand.source === 'stated' ? stated : demand.source === 'journal' ? past : {}
  const service = (mix && tierService(capacity, mix)) ?? carefulService(capacity)
  const boot = past.boot || stated.boot ? { ...past.boot, ...stated.boot } : undefined
  const memory = await memoryOf(asked, past, context)
  const space = await spaceOf(ask, asked, context)
  const cpu = asked.guest.demand?.cpu ?? past.cpu ?? meanCpu(live, ask.guest)
  return {
    ...demand,
    ...(service && { service }),
    ...(targetLatency !== undefined && { targetLatency }),
    ...(boot && { boot }),
    ...(memory && { memory }),
    ...(space && { space }),
    ...(cpu !== undefined && { cpu: { room: cpus * config.density.cpuCap, each: cpu } }),
    ...(measured && { measured }),
    running: live.filter(({ tiers }) => tiers.includes(ask.tier)).length,
    settings: config.density,
    capacity,
  }
}

function find({ tier: tierName, guest: guestName }: DensityAsk, { tiers, guests }: Config): Asked {
  const tier = Object.hasOwn(tiers, tierName) ? tiers[tierName] : undefined
  if (!tier) throw new UsageError(unknownName('tier', tierName, Object.keys(tiers)))
  const guest = Object.hasOwn(guests, guestName) ? guests[guestName] : undefined
  if (!guest) throw new UsageError(unknownName('guest', guestName, Object.keys(guests)))
  return { tier, guest }
}

/** The guest that is meant where none is named: the only one with a drive on the tier. */
export function onlyGuestOn(
  tier: string,
  { tiers, guests }: Pick<Config, 'tiers' | 'guests'>,
): string {
  if (!Object.hasOwn(tiers, tier)) {
    throw new UsageError(unknownName('tier', tier, Object.keys(tiers)))
  }
  const names = Object.entries(guests)
    .filter(([, guest]) => imageDrives(guest).some(([, drive]) => drive.tier === tier))
    .map(([name]) => name)
  const [name, ...others] = names
  if (name !== undefined && others.length === 0) return name
  throw new UsageError(
    name === undefined
      ? `expected --guest, since no guest has a drive on tier ${tier}`
      : `expected --guest, since several have drives on tier ${tier}: ${choice(names)}`,
  )
}

/** What the user states before what the journal has, and that before the vms that run now, which may be at rest. */
function demandOf(
  { tier, guest, source }: DensityAsk,
  stated: StatedDemand,
  past: PastDemand,
  live: readonly LiveVm[],
): Pick<DensityFacts, 'demand' | 'source' | 'seen' | 'liveVms'> {
  const wanted = (name: DemandSource) => source === undefined || source === name
  if (wanted('stated') && stated.demand) return { demand: stated.demand, source: 'stated' }
  if (wanted('journal') && past.demand)
    return { demand: past.demand, source: 'journal', seen: past.seen }
  const seen = liveDemands(live, guest, tier)
  const seconds = seen.reduce((sum, one) => sum + one.seconds, 0)
  const demand = wanted('live') && seconds >= LEAST_LIVE_SECONDS ? pooled(seen) : undefined
  return demand ? { demand, source: 'live', liveVms: seen.length } : {}
}

/** Where vms run, what they hold is room for vms too. */
async function memoryOf(
  { guest }: Asked,
  { memory: past }: PastDemand,
  { config, live = [], procRoot }: DensityContext,
): Promise<Question['memory']> {
  const { availableBytes } = await readMeminfo(procRoot)
  if (availableBytes === undefined) return undefined
  const held = live.reduce((sum, { memoryBytes = 0 }) => sum + memoryBytes, 0)
  const each = vmMemory({
    ...past,
    configuredBytes: guest.memory,
    statedBytes: guest.demand?.memory,
  })
  return { room: availableBytes + held - config.density.memoryReserve, each }
}

async function spaceOf(
  { tier }: DensityAsk,
  asked: Asked,
  { config, live = [], procRoot, sysRoot }: DensityContext,
): Promise<Question['space']> {
  const place = { stateDir: config.state, procRoot, sysRoot }
  const available = await tierRoom(tier, asked.tier, place)
  if (available === undefined) return undefined
  const taken = live.reduce((sum, { imageBytes }) => sum + (imageBytes[tier] ?? 0), 0)
  const kept = await keptFree(asked.tier, config)
  return spaceRoom(asked.guest, tier, available + taken - kept)
}

/** Before less than that is free in a directory of the host, studies pause. */
async function keptFree({ directory }: TierConfig, config: Config): Promise<number> {
  if (directory === undefined) return 0
  const space = await readSpace(directory).catch(() => undefined) // it may still have to be made
  return space ? leastFree(config.freeSpaceFloor, space.sizeBytes) : 0
}

function meanCpu(live: readonly LiveVm[], guest: string): number | undefined {
  const shares = live.flatMap((vm) => (vm.guest === guest ? (vm.cpu ?? []) : []))
  return shares.length === 0 ? undefined : shares.reduce((sum, one) => sum + one, 0) / shares.length
}

const BOUNDS: Readonly<Record<string, Constraint>> = {
  latency: 'io',
  memory: 'memory',
  cpu: 'cpu',
  space: 'space',
}

/** What the last ramp came to, if it was for the same target. */
function measuredBy(
  journal: JournalReader,
  { tier, guest }: DensityAsk,
  targetLatency: number | undefined,
): Question['measured'] {
  const ramp = lastRamp(journal, tier, guest)
  const { target } = (ramp?.manifest as { ramp?: { target?: number } } | undefined)?.ramp ?? {}
  if (!ramp || !hasDensity(ramp) || target !== targetLatency) return undefined
  const bound = BOUNDS[ramp.bound ?? '']
  return { vms: ramp.measured!, ...(bound && { bound }) }
}
