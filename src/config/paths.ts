import { resolve } from 'node:path'
import type { ConfigFile, GuestConfig, StudyConfig, TierConfig } from './schema.ts'

const PATH_FACTORS = ['system.kernel', 'system.initrd']

/** The same config with every path made absolute; relative ones start in the config file's folder. */
export function withAbsolutePaths(config: ConfigFile, folder: string): ConfigFile {
  return {
    ...config,
    state: resolve(folder, config.state),
    qemu: { ...config.qemu, binary: absoluteBinary(config.qemu.binary, folder) },
    tiers: mapValues(config.tiers, (tier) => absoluteTier(tier, folder)),
    guests: mapValues(config.guests, (guest) => absoluteGuest(guest, folder)),
    studies: withAbsoluteFactors(config.studies, folder),
  }
}

/** The same studies with absolute paths where a factor's values are paths. */
export function withAbsoluteFactors(
  studies: Record<string, StudyConfig>,
  folder: string,
): Record<string, StudyConfig> {
  return mapValues(studies, (study) => {
    const factors = Object.entries(study.factors).map(([path, values]) => [
      path,
      PATH_FACTORS.includes(path) ? values.map((value) => resolve(folder, String(value))) : values,
    ])
    return { ...study, factors: Object.fromEntries(factors) }
  })
}

/** A bare name is looked up in PATH when it is run. */
function absoluteBinary(binary: string, folder: string): string {
  return binary.includes('/') ? resolve(folder, binary) : binary
}

function absoluteTier(tier: TierConfig, folder: string): TierConfig {
  const { directory, passwordFile } = tier
  return {
    ...tier,
    ...(directory === undefined ? {} : { directory: resolve(folder, directory) }),
    ...(passwordFile === undefined ? {} : { passwordFile: resolve(folder, passwordFile) }),
  }
}

function absoluteGuest(guest: GuestConfig, folder: string): GuestConfig {
  const { system } = guest
  if (typeof system === 'string') return guest
  const kernel = resolve(folder, system.kernel)
  return {
    ...guest,
    system:
      system.initrd === undefined
        ? { ...system, kernel }
        : { ...system, kernel, initrd: resolve(folder, system.initrd) },
  }
}

function mapValues<T, U>(record: Record<string, T>, change: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]))
}
