import { resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { demandProblems } from './density-rules.ts'
import { busProblems, driveProblems } from './drive-rules.ts'
import { sharedFunctionProblems } from './passthrough-rules.ts'
import { onTierProblems } from './placement.ts'
import { inside, type Path, type Problem, unknownName } from './problems.ts'
import type { Readable, ReadableConfig } from './readable.ts'
import { type ConfigFile, configSchema, type GuestConfig, type TierConfig } from './schema.ts'
import { studyProblems } from './study-rules.ts'
import { systemProblems } from './system-rules.ts'
import { tierProblems } from './tier-rules.ts'
import { TIER_KINDS } from './tier-schema.ts'

/** What is wrong with a config beyond single keys; relative paths start in the folder. */
export function ruleProblems(config: ReadableConfig, folder: string): Problem[] {
  return [
    ...tierProblems(config, folder),
    ...guestProblems(config),
    ...demandProblems(config),
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
    for (const key of [...TIER_KINDS, 'passwordFile', 'emulate']) {
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
  const { target: _, capacity: __, overwrite: ___, directory, passwordFile, ...parts } = tier
  const absolute = {
    directory: directory && resolve(folder, directory),
    passwordFile: passwordFile && resolve(folder, passwordFile),
  }
  return JSON.parse(JSON.stringify({ ...parts, ...absolute }))
}

function plain(value: unknown): string {
  if (value === undefined) return 'none'
  return typeof value === 'string' ? value : JSON.stringify(value)
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
      if (drive)
        problems.push(
          ...inside(
            path,
            onTierProblems(drive, (name) => config.tiers?.[name]),
          ),
        )
      return problems
    }),
    ...inside(['guests', guest], busProblems(parts?.drives ?? {})),
    ...inside(['guests', guest], sharedFunctionProblems(parts ?? {})),
    ...(parts ? inside(['guests', guest], systemProblems(parts)) : []),
  ])
}

// With 92 MiB the appliance's kernel panics while it unpacks the initramfs (12 boots of 12), with 96 MiB one of some 30 did,
// with 64 MiB it hangs without a word. debian's panics with 96 MiB for want of its initrd, with 128 MiB it was not up after
// 150 s, with 144 MiB it was after 25 s.
const LEAST_MEMORY = { appliance: 104 * 2 ** 20, debian: 160 * 2 ** 20 }

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
