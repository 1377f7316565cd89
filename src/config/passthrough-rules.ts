import { type DriveConfig, driveSchema } from './drive-schema.ts'
import type { Problem } from './problems.ts'
import type { Readable } from './readable.ts'
import type { GuestConfig } from './schema.ts'
import { SIZE } from './values.ts'

type Drive = Readable<DriveConfig>

/** What a drive must and must not have, by where its data is: on a tier, or on a disk of the host's. */
export function placeProblems(drive: Drive): Problem[] {
  const kinds = ['tier', 'passthrough'].filter((kind) => kind in drive)
  if (kinds.length !== 1) {
    const got = kinds.length === 0 ? 'neither' : 'both'
    const message = `expected exactly one of tier and passthrough, got ${got}`
    return [{ path: [], at: 'key', message }]
  }
  if ('passthrough' in drive) return [...imageKeyProblems(drive), ...overwriteProblems(drive)]
  if ('size' in drive) return []
  return [{ path: ['size'], at: 'key', message: `expected ${SIZE}, got nothing` }]
}

/** Keys that would do nothing; one that was left out stands at its default. */
function imageKeyProblems(drive: Drive): Problem[] {
  const defaults: Record<string, unknown> = driveSchema.parse({})
  return Object.entries(drive).flatMap(([key, value]) => {
    if (key === 'passthrough' || value === undefined || value === defaults[key]) return []
    const message = `expected no ${key} beside passthrough: it is for a drive on a tier`
    return [{ path: [key], at: 'key' as const, message }]
  })
}

function overwriteProblems({ passthrough }: Drive): Problem[] {
  const { pci, overwrite } = passthrough ?? {}
  if (pci === undefined || overwrite === undefined) return []
  const wanted = `yes-destroy-${pci}`
  if (overwrite === wanted) return []
  const message = `expected ${wanted} or nothing, got ${JSON.stringify(overwrite)}`
  return [{ path: ['passthrough', 'overwrite'], at: 'value', message }]
}

/** One function cannot be two drives. Paths begin at the guest. */
export function sharedFunctionProblems(guest: Readable<GuestConfig>): Problem[] {
  const owners = new Map<string, string>()
  return Object.entries(guest.drives ?? {}).flatMap(([name, drive]) => {
    const pci = drive?.passthrough?.pci
    if (pci === undefined) return []
    const owner = owners.get(pci)
    if (owner === undefined) owners.set(pci, name)
    if (owner === undefined) return []
    const message = `expected a function of its own, got that of drive ${owner}: ${pci}`
    return [{ path: ['drives', name, 'passthrough', 'pci'], at: 'value' as const, message }]
  })
}
