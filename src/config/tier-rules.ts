import { basename, relative, resolve } from 'node:path'
import { mkfsProblem, mountProblem } from './filesystem-options.ts'
import { parseNetworkUrl, urlFor } from './network-url.ts'
import { type Path, type Problem, shown } from './problems.ts'
import type { Readable, ReadableConfig } from './readable.ts'
import type { TierConfig } from './schema.ts'
import { TIER_KINDS } from './tier-schema.ts'

type ReadableTier = Readable<TierConfig>

/** What is wrong with the tiers of a config beyond single keys; relative paths start in the folder. */
export function tierProblems(config: ReadableConfig, folder: string): Problem[] {
  return [
    ...Object.entries(config.tiers ?? {}).flatMap(([name, tier]) =>
      tier
        ? one(tier).map((problem) => ({ ...problem, path: ['tiers', name, ...problem.path] }))
        : [],
    ),
    ...directoryProblems(config, folder),
    ...twice(config),
  ]
}

function one(tier: ReadableTier): Problem[] {
  const kinds = TIER_KINDS.filter((kind) => kind in tier)
  const [kind] = kinds
  if (kind === undefined || kinds.length > 1) {
    const got = kinds.length === 0 ? 'none of them' : kinds.join(' and ')
    const all = `${TIER_KINDS.slice(0, -1).join(', ')} and ${TIER_KINDS.at(-1)}`
    return [{ path: [], at: 'key', message: `expected exactly one of ${all}, got ${got}` }]
  }
  return [
    ...emulateProblems(tier, kind),
    ...filesystemProblems(tier.filesystem),
    ...overwriteProblems(tier),
    ...urlProblems(tier),
  ]
}

const NAMES: Record<(typeof TIER_KINDS)[number], string> = {
  directory: 'a directory',
  filesystem: 'a filesystem',
  volumeGroup: 'a volume group',
  device: 'a device',
  url: 'a URL',
}

function emulateProblems(tier: ReadableTier, kind: keyof typeof NAMES): Problem[] {
  if (!('emulate' in tier)) return []
  if (kind !== 'filesystem') {
    const message = `expected a filesystem to put the emulated disk under, got ${NAMES[kind]}`
    return [problem(['emulate'], 'key', message)]
  }
  const { emulate } = tier
  if (!emulate || 'serviceTime' in emulate || 'bytesPerSecond' in emulate) return []
  const message = `expected serviceTime, bytesPerSecond or both, got ${shown(emulate)}`
  return [problem(['emulate'], 'value', message)]
}

function filesystemProblems(filesystem: ReadableTier['filesystem']): Problem[] {
  if (!filesystem) return []
  const { type, mkfs, mount } = filesystem
  const problems: Problem[] = []
  if ('size' in filesystem === 'device' in filesystem) {
    const got = 'size' in filesystem ? 'both' : 'neither'
    const message = `expected exactly one of size and device, got ${got}`
    problems.push(problem(['filesystem'], 'key', message))
  }
  const wrong = type && mkfs && mkfsProblem(type, mkfs)
  if (wrong) problems.push(problem(['filesystem', 'mkfs', wrong.index], 'value', wrong.message))
  for (const [index, option] of (mount ?? []).entries()) {
    const message = option === undefined ? undefined : mountProblem(option)
    if (message) problems.push(problem(['filesystem', 'mount', index], 'value', message))
  }
  return problems
}

/** The consent is to what is on one device: with another one in its place it is none. */
export function consentTo(device: string): string {
  return `yes-destroy-${basename(device)}`
}

function overwriteProblems(tier: ReadableTier): Problem[] {
  const { overwrite } = tier
  if (overwrite === undefined) return []
  const device = deviceOf(tier)
  if (device === undefined) {
    const named = 'device' in tier || (tier.filesystem && 'device' in tier.filesystem)
    const message = 'expected a device that may be overwritten, got a tier without one'
    return named ? [] : [problem(['overwrite'], 'key', message)]
  }
  const expected = consentTo(device)
  if (overwrite === expected) return []
  return [problem(['overwrite'], 'value', `expected ${expected}, got ${shown(overwrite)}`)]
}

function urlProblems(tier: ReadableTier): Problem[] {
  const { url } = tier
  const password = 'passwordFile' in tier
  if (url === undefined) {
    if (!password || 'url' in tier) return []
    return [problem(['passwordFile'], 'key', 'expected a url to use it for, got none')]
  }
  const found = parseNetworkUrl(urlFor(url, 'vm', 'drive'))
  if ('problem' in found) return [problem(['url'], 'value', found.problem)]
  const { disk } = found
  if (!password || (disk.secret !== undefined && 'user' in disk.options)) return []
  const message = 'expected a url with a user (iscsi://USER@…, rbd://USER@…), got one without'
  return [problem(['passwordFile'], 'key', message)]
}

function deviceOf(tier: ReadableTier): string | undefined {
  return tier.device ?? tier.filesystem?.device
}

function problem(path: Path, at: Problem['at'], message: string): Problem {
  return { path, at, message }
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

/** Devices and targets that two tiers name; two volume groups may be one with and without a thin pool. */
function twice(config: ReadableConfig): Problem[] {
  const owners = new Map<string, string>()
  return Object.entries(config.tiers ?? {}).flatMap(([name, tier]) => {
    const device = tier && deviceOf(tier)
    const [key, value, what] =
      device !== undefined
        ? [tier?.device === undefined ? ['filesystem', 'device'] : ['device'], device, 'device']
        : [['url'], tier?.url, 'URL']
    if (value === undefined) return []
    const owner = owners.get(value)
    if (owner === undefined) owners.set(value, name)
    const message = `expected a ${what} of its own, got that of tier ${owner}`
    return owner === undefined ? [] : [problem(['tiers', name, ...key], 'value', message)]
  })
}

function contains(directory: string, path: string): boolean {
  return !/^\.\.(\/|$)/.test(relative(directory, path))
}
