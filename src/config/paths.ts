import { resolve } from 'node:path'
import type { FactorValue } from './factors.ts'
import type { ConfigFile, GuestConfig, StudyConfig, TierConfig } from './schema.ts'
import type { WorkloadConfig } from './workload-schema.ts'

type Factor = StudyConfig['factors'][string]

const INSTALLER_PATHS = ['kernel', 'initrd', 'media', 'iso'] as const
const PATH_FACTORS = [
  ...['system.kernel', 'system.initrd', 'system.image'],
  ...['workload.fio.job', 'workload.script.file'],
  ...INSTALLER_PATHS.map((key) => `workload.install.${key}`),
]

/** The same config with every path made absolute; relative ones start in the config file's folder. */
export function withAbsolutePaths(config: ConfigFile, folder: string): ConfigFile {
  return {
    ...config,
    state: resolve(folder, config.state),
    qemu: { ...config.qemu, binary: absoluteBinary(config.qemu.binary, folder) },
    discovery: absoluteDiscovery(config.discovery, folder),
    tiers: mapValues(config.tiers, (tier) => absoluteTier(tier, folder)),
    guests: mapValues(config.guests, (guest) => absoluteGuest(guest, folder)),
    studies: withAbsoluteFactors(config.studies, folder),
  }
}

/** The same studies with absolute paths where a workload or what a case sets has paths. */
export function withAbsoluteFactors(
  studies: Record<string, StudyConfig>,
  folder: string,
): Record<string, StudyConfig> {
  return mapValues(studies, (study) => ({
    ...study,
    settings: absoluteSettings(study.settings, folder),
    workload: absoluteWorkload(study.workload, folder),
    factors: Object.fromEntries(
      Object.entries(study.factors).map(([name, values]) => [
        name,
        absoluteFactor(name, values, folder),
      ]),
    ),
    include: study.include.map((entry) => absoluteSettings(entry, folder)),
    exclude: study.exclude.map((entry) => absoluteSettings(entry, folder)),
  }))
}

function absoluteFactor(name: string, values: Factor, folder: string): Factor {
  if (Array.isArray(values)) return values.map((value) => absoluteSetting(name, value, folder))
  return mapValues(values, (value) =>
    typeof value === 'object'
      ? absoluteSettings(value, folder)
      : absoluteSetting(name, value, folder),
  )
}

function absoluteSettings(settings: StudyConfig['settings'], folder: string) {
  return Object.fromEntries(
    Object.entries(settings).map(([key, value]) => [key, absoluteSetting(key, value, folder)]),
  )
}

function absoluteSetting(key: string, value: FactorValue, folder: string): FactorValue {
  return PATH_FACTORS.includes(key) ? absolute(String(value), folder) : value
}

function absoluteWorkload(workload: WorkloadConfig, folder: string): WorkloadConfig {
  if (workload.kind === 'fio') return { ...workload, job: absolute(workload.job, folder) }
  if (workload.kind === 'install') {
    const paths = INSTALLER_PATHS.flatMap((key) => {
      const path = workload[key]
      return path === undefined ? [] : [[key, resolve(folder, path)]]
    })
    const files = workload.files && mapValues(workload.files, (path) => resolve(folder, path))
    return { ...workload, ...Object.fromEntries(paths), ...(files && { files }) }
  }
  if (workload.kind === 'script' && workload.file !== undefined) {
    return { ...workload, file: resolve(folder, workload.file) }
  }
  return workload
}

function absolute(pathOrLines: string, folder: string): string {
  return isLines(pathOrLines) ? pathOrLines : resolve(folder, pathOrLines)
}

/** Whether a job is a file's lines, and not its path. */
export function isLines(job: string): boolean {
  return job.includes('\n')
}

/** A bare name is looked up in PATH when it is run. */
function absoluteBinary(binary: string, folder: string): string {
  return binary.includes('/') ? resolve(folder, binary) : binary
}

function absoluteDiscovery(
  { qemu, qmp }: ConfigFile['discovery'],
  folder: string,
): ConfigFile['discovery'] {
  if (qmp === undefined) return { qemu }
  if (typeof qmp === 'string') return { qemu, qmp: resolve(folder, qmp) }
  return { qemu, qmp: mapValues(qmp, (path) => resolve(folder, path)) }
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
  const paths = (['kernel', 'initrd', 'image'] as const).flatMap((key) => {
    const path = (system as Partial<Record<typeof key, string>>)[key]
    return path === undefined ? [] : [[key, resolve(folder, path)]]
  })
  return { ...guest, system: { ...system, ...Object.fromEntries(paths) } }
}

function mapValues<T, U>(record: Record<string, T>, change: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]))
}
