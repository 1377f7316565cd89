import { relative, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { busProblems, driveProblems } from './drive-rules.ts'
import { inside, type Path, type Problem, unknownName } from './problems.ts'
import type { Readable, ReadableConfig } from './readable.ts'
import { type ConfigFile, configSchema, type GuestConfig, type TierConfig } from './schema.ts'
import { studyProblems } from './study-rules.ts'
import { systemProblems } from './system-rules.ts'

/** What is wrong with a config beyond single keys; relative paths start in the folder. */
export function ruleProblems(config: ReadableConfig, folder: string): Problem[] {
  return [
    ...Object.entries(config.tiers ?? {}).flatMap(([name, tier]) =>
      tier ? tierProblems(name, tier) : [],
    ),
    ...directoryProblems(config, folder),
    ...guestProblems(config),
    ...studyProblems(config, config.state && resolve(folder, config.state)),
  ]
}

/** What has changed though a running kvmio cannot follow: its journal, sockets and disks are where they are. */
export function fixedKeyProblems(
  config: ReadableConfig,
  folder: string,
  running: Pick<ConfigFile, 'state' | 'qemu' | 'tiers'> | undefined,
): Problem[] {
  if (!running) return []
  const state = config.state === undefined ? undefined : resolve(folder, config.state)
  const qemu = configSchema.shape.qemu.parse(config.qemu)
  const fixed: [path: Path, before: unknown, now: unknown][] = [
    [['state'], running.state, state ?? running.state],
    [['qemu', 'binary'], running.qemu.binary, qemu.binary],
    [['qemu', 'user'], running.qemu.user, qemu.user],
  ]
  for (const [name, tier] of Object.entries(config.tiers ?? {})) {
    const before = running.tiers[name]
    if (!tier || !before) continue
    for (const key of ['directory', 'filesystem', 'emulate'] as const) {
      fixed.push([['tiers', name, key], standing(before, folder)[key], standing(tier, folder)[key]])
    }
  }
  return fixed.flatMap(([path, before, now]) => {
    if (isDeepStrictEqual(before, now)) return []
    const message = `expected ${plain(before)} as long as kvmio runs, got ${plain(now)}; start it again to change it`
    return [{ path, at: 'value' as const, message }]
  })
}

/** What a tier is made of, without its target and its capacity, which are only figures. */
function standing(tier: Readable<TierConfig>, folder: string): Record<string, unknown> {
  const { directory, filesystem, emulate } = tier
  const parts = { directory: directory && resolve(folder, directory), filesystem, emulate }
  return JSON.parse(JSON.stringify(parts))
}

function plain(value: unknown): string {
  if (value === undefined) return 'none'
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function tierProblems(name: string, tier: Readable<TierConfig>): Problem[] {
  const path = ['tiers', name]
  const kinds = ['directory', 'filesystem'].filter((kind) => kind in tier)
  if (kinds.length !== 1) {
    const got = kinds.length === 0 ? 'neither' : 'both'
    const message = `expected exactly one of directory and filesystem, got ${got}`
    return [{ path, at: 'key', message }]
  }
  if ('directory' in tier && 'emulate' in tier) {
    const message = 'expected a filesystem to put the emulated disk under, got a directory'
    return [{ path: [...path, 'emulate'], at: 'key', message }]
  }
  return []
}

function directoryProblems(config: ReadableConfig, folder: string): Problem[] {
  const state = config.state === undefined ? undefined : resolve(folder, config.state)
  const owners = new Map<string, string>()
  return Object.entries(config.tiers ?? {}).flatMap(([name, tier]) => {
    if (tier?.directory === undefined) return []
    const directory = resolve(folder, tier.directory)
    const owner = owners.get(directory)
    if (owner === undefined) owners.set(directory, name)
    const message =
      directory === '/'
        ? 'expected a directory for images alone, got /'
        : state !== undefined && contains(directory, state)
          ? `expected a directory that does not hold the state directory ${state}, got ${directory}`
          : owner !== undefined
            ? `expected a directory of its own, got that of tier ${owner}: ${directory}`
            : undefined
    return message ? [{ path: ['tiers', name, 'directory'], at: 'value', message }] : []
  })
}

function contains(directory: string, path: string): boolean {
  return !/^\.\.(\/|$)/.test(relative(directory, path))
}

function guestProblems(config: ReadableConfig): Problem[] {
  const tiers = Object.keys(config.tiers ?? {})
  return Object.entries(config.guests ?? {}).flatMap(([guest, parts]) => [
    ...memoryProblems(guest, parts),
    ...Object.entries(parts?.drives ?? {}).flatMap(([name, drive]) => {
      const path = ['guests', guest, 'drives', name]
      const problems: Problem[] = []
      if (drive?.tier !== undefined && !tiers.includes(drive.tier)) {
        const message = unknownName('tier', drive.tier, tiers)
        problems.push({ path: [...path, 'tier'], at: 'value', message })
      }
      if (drive) problems.push(...inside(path, driveProblems(drive)))
      return problems
    }),
    ...inside(['guests', guest], busProblems(parts?.drives ?? {})),
    ...(parts ? inside(['guests', guest], systemProblems(parts)) : []),
  ])
}

// With 88 MiB the appliance's kernel panics while it unpacks the initramfs, with 64 MiB it hangs without a word.
const LEAST_MEMORY = { appliance: 96 * 2 ** 20, debian: 160 * 2 ** 20 }

/** Why the guest could not boot; the planner asks the same of each case. */
export function memoryProblem({ system, memory }: Readable<GuestConfig>): string | undefined {
  const [least, name] = leastMemory(system)
  if (memory === undefined || memory >= least) return undefined
  return `expected at least ${least / 2 ** 20}MiB for ${name}, got ${memory / 2 ** 20}MiB`
}

function leastMemory(system: Readable<GuestConfig>['system']): [bytes: number, name: string] {
  if (system === 'appliance') return [LEAST_MEMORY.appliance, 'the appliance']
  return system === 'debian' ? [LEAST_MEMORY.debian, 'debian'] : [0, '']
}

/** Why the balloon could not be had of that guest; the planner asks the same of each case. */
export function balloonProblem({
  system,
  memory,
  balloon,
}: Readable<GuestConfig>): string | undefined {
  const target = balloon?.target
  if (target === undefined) {
    return balloon?.at === undefined ? undefined : 'expected a target for what is set at a phase'
  }
  if (memory !== undefined && target > memory) {
    return `expected at most the guest's memory, ${memory / 2 ** 20}MiB, got ${target / 2 ** 20}MiB`
  }
  const [least, name] = leastMemory(system)
  if (target >= least) return undefined
  return `expected at least ${least / 2 ** 20}MiB for ${name}, got ${target / 2 ** 20}MiB`
}

function memoryProblems(name: string, guest: Readable<GuestConfig> | undefined): Problem[] {
  if (!guest) return []
  const path = ['guests', name]
  const memory = memoryProblem(guest)
  const balloon = balloonProblem(guest)
  const key = guest.balloon?.target === undefined ? 'at' : 'target'
  return [
    ...(memory ? [{ path: [...path, 'memory'], at: 'value' as const, message: memory }] : []),
    ...(balloon
      ? [{ path: [...path, 'balloon', key], at: 'value' as const, message: balloon }]
      : []),
  ]
}
