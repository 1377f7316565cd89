import type { DensityRecord } from '../collector/density.ts'
import type { Config } from '../config/load.ts'
import { vmMemory } from '../density/memory.ts'
import type { Density } from '../density/model.ts'
import type { JournalReader } from '../journal/journal.ts'
import { lastRamps } from '../journal/ramps.ts'
import { type PastDemand, pastDemand } from '../study/past-demand.ts'
import { tiersOf } from '../study/plan.ts'
import { statedDemand } from '../study/stated-demand.ts'
import { tierCapacity } from '../study/tier-capacity.ts'

/** It is read from up to 20 runs of each guest on each tier; what they show changes with the next run that ends. */
const KEEP_MS = 60_000

interface Kept {
  config: Config
  at: number
  record: DensityRecord
}

/** What the config and the journal say of density, read anew a minute after it was read, or when the config has changed. */
export function createDensityReading(
  config: () => Config,
  journal: JournalReader,
  now: () => number = performance.now.bind(performance),
): () => DensityRecord {
  let kept: Kept | undefined
  return () => {
    const current = config()
    if (kept?.config !== current || now() - kept.at >= KEEP_MS) {
      kept = { config: current, at: now(), record: densityRecord(current, journal) }
    }
    return kept.record
  }
}

function densityRecord(config: Config, journal: JournalReader): DensityRecord {
  const guests = Object.keys(config.guests).map((guest) => guestRecord(guest, config, journal))
  const known = ({ tier, guest }: { tier: string; guest: string }) =>
    Object.hasOwn(config.tiers, tier) && Object.hasOwn(config.guests, guest)
  return {
    settings: config.density,
    guests: guests.map(({ guest, memoryBytes }) => ({ guest, memoryBytes })),
    demands: guests.flatMap(({ demands }) => demands),
    ramps: lastRamps(journal)
      .filter(known)
      .map(({ tier, guest, measured, prediction }) => {
        const { densities = [] } = prediction as { densities?: readonly Density[] }
        const predicted = densities.flatMap(({ method, vms }) =>
          vms === undefined || method === 'measured' ? [] : [{ method, vms }],
        )
        return { tier, guest, measured: measured!, predicted }
      }),
  }
}

function guestRecord(name: string, { guests, tiers }: Config, journal: JournalReader) {
  const guest = guests[name]!
  const found = tiersOf(guest).map((tier) => {
    const capacity = tierCapacity(tier, tiers[tier]!, journal)
    // What the processors do is not asked here.
    const past = pastDemand(journal, { guest: name, tier, capacity, cpus: 1 })
    const stated = statedDemand(guest.demand, capacity)
    const demands: DensityRecord['demands'][number][] = [
      ...(stated.demand
        ? [{ tier, guest: name, source: 'stated' as const, ...stated.demand }]
        : []),
      ...(past.demand ? [{ tier, guest: name, source: 'journal' as const, ...past.demand }] : []),
    ]
    return { past, demands }
  })
  const memoryBytes = vmMemory({
    ...mostMemory(found.map(({ past }) => past)),
    configuredBytes: guest.memory,
    statedBytes: guest.demand?.memory,
  })
  return { guest: name, memoryBytes, demands: found.flatMap(({ demands }) => demands) }
}

function mostMemory(past: readonly PastDemand[]): Partial<NonNullable<PastDemand['memory']>> {
  return past
    .flatMap(({ memory }) => memory ?? [])
    .reduce<Partial<NonNullable<PastDemand['memory']>>>(
      (most, one) => ((most.takenBytes ?? 0) < one.takenBytes ? one : most),
      {},
    )
}
