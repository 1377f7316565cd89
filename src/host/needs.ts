import type { Finding } from './finding.ts'
import type { Probing } from './probing.ts'

// What a config asks of a host, and why this host cannot run it: the one place for plan, run and doctor. Pure but for
// lackOf(), which has the probes tried that are needed. The shapes are those of the config's parts, by their keys.

/** A guest of the config, with the values of one case. */
export interface GuestParts {
  system: string | object
  accel: string
  balloon?: object
  drives: Readonly<Record<string, DriveParts>>
}

type DriveParts = Readonly<{ tier?: string; passthrough?: object } & Record<string, unknown>>

/** A tier of the config. */
export interface TierParts {
  directory?: string
  filesystem?: { type: string; device?: string }
  volumeGroup?: unknown
  device?: string
  url?: string
  emulate?: unknown
}

/** What of a study a host must have. */
export interface StudyParts {
  workload: { kind: string }
  hostCache?: string
}

/** Something that a host must be able to do. */
export interface Need {
  /** What the config says, for the reason: `drives.root.bus pvscsi`. */
  place: string
  subject: string
}

/** What a case asks for: its guest and its study, and of its tiers those that are given. */
export function needsOf(
  guest: GuestParts,
  { workload, hostCache }: StudyParts,
  tiers: Readonly<Record<string, TierParts>> = {},
): Need[] {
  const { system, accel, balloon, drives } = guest
  const used = new Set(Object.values(drives).map(({ tier }) => tier))
  return [
    named('accel', accel),
    ...systemNeeds(system),
    ...(hostCache === undefined ? [] : [named('hostCache', hostCache)]),
    named('workload', workload.kind),
    ...(balloon ? [{ place: 'balloon', subject: 'balloon' }] : []),
    ...Object.entries(drives).flatMap(([name, drive]) => driveNeeds(name, drive)),
    ...[...used].flatMap((name) => {
      const tier = name === undefined ? undefined : tiers[name]
      return tier ? tierNeeds(name!, tier) : []
    }),
  ]
}

/** The first reason for which this host cannot do what is needed; undefined when it can, as far as is known. */
export async function lackOf(
  needs: readonly Need[],
  probing: Probing,
): Promise<string | undefined> {
  const decisive = new Set(
    probing.probes.flatMap(({ subject, only }) => (only === undefined ? [subject] : [])),
  )
  const findings = await Promise.all(
    needs.map(async (need) => ({
      need,
      finding: decisive.has(need.subject) ? await probing.find(need.subject) : undefined,
    })),
  )
  const lacking = findings.find(({ finding }) => finding && !finding.can)
  return lacking?.finding && reason(lacking.need, lacking.finding)
}

function named(key: string, value: string): Need {
  return { place: `${key} ${value}`, subject: `${key} ${value}` }
}

function reason({ place }: Need, { detail, remedy }: Finding): string {
  return `${place}: ${detail}${remedy ? `; ${remedy}` : ''}`
}

/** `appliance` and `debian` by their names, the user's own by what it is made of: kernel, image, seed. */
function systemNeeds(system: string | object): Need[] {
  if (typeof system === 'string') return [named('system', system)]
  return Object.entries(system).flatMap(([key, value]) => [
    { place: `system.${key}`, subject: `system ${key}` },
    { place: `system.${key} ${value}`, subject: `${key} ${value}` },
  ])
}

/** Any host has them. */
const NAMELESS = ['tier', 'size']

/** By key and value; by key alone what is switched on, counted or a mapping. */
function driveNeeds(name: string, drive: DriveParts): Need[] {
  // It has its own bus, and nothing between it and the guest.
  const parts = drive.passthrough ? { passthrough: drive.passthrough } : drive
  return Object.entries(parts).flatMap(([key, value]) => {
    const place = `drives.${name}.${key}`
    if (NAMELESS.includes(key) || !value) return []
    return typeof value === 'string'
      ? [{ place: `${place} ${value}`, subject: `${key} ${value}` }]
      : [{ place, subject: key }]
  })
}

function tierNeeds(name: string, tier: TierParts): Need[] {
  const { directory, filesystem, volumeGroup, device, url, emulate } = tier
  const scheme = /^([a-z]+)/.exec(url ?? '')?.[1]
  const subjects = [
    ...(directory === undefined ? [] : ['tier directory']),
    ...(filesystem ? ['tier filesystem', `filesystem ${filesystem.type}`] : []),
    ...(filesystem && filesystem.device === undefined ? ['loop devices'] : []),
    ...(volumeGroup ? ['tier volumeGroup'] : []),
    ...(device === undefined ? [] : ['tier device']),
    ...(scheme === undefined ? [] : [`url ${scheme}`]),
    ...(emulate ? ['tier emulate'] : []),
  ]
  return subjects.map((subject) => ({
    place: `tier ${name}: ${subject.replace(/^tier /, '')}`,
    subject,
  }))
}
