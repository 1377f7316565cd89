import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Backend } from '../../attribution/records.ts'
import { codeOf, messageOf, UnavailableError } from '../../lib/errors.ts'
import { formatBytes } from '../../lib/quantities.ts'
import { floorProblem } from '../free-space.ts'
import { availableBytes } from '../space.ts'
import type { OpenTier } from '../tiers.ts'
import { volumeTag } from '../volume-group.ts'

const MIB = 2 ** 20
const LEAST_BYTES = 16 * MIB
/** Of what is free; the rest stays with whoever comes meanwhile. */
const SHARE = 0.5

/** What a calibration works on, and which it removes. */
export interface Place {
  path: string
  bytes: number
  release(): Promise<void>
}

/** Makes a file, or a logical volume, of at most so many bytes; throws where kvmio may not write on the tier, or not that much. */
export async function makePlace(
  open: OpenTier,
  wantedBytes: number,
  floor: number,
): Promise<Place> {
  const { tier, context } = open
  const refusal = refusalOf(open)
  if (refusal !== undefined) throw new UnavailableError(refusal)
  const available = (await availableBytes(open)) ?? 0
  const bytes = Math.floor(Math.min(wantedBytes, available * SHARE) / MIB) * MIB
  if (bytes < LEAST_BYTES) {
    const [has, least] = [available, LEAST_BYTES].map(formatBytes)
    throw new UnavailableError(
      `tier ${tier.name} has ${has} free; a calibration takes half of that at the most, and ${least} at least`,
    )
  }
  const problem = await floorProblem([{ tier: open, bytes }], context.stateDir, floor)
  if (problem !== undefined) throw new UnavailableError(`tier ${tier.name}: ${problem}`)
  const backend = backendOf(open)
  await open.allocate(backend, bytes)
  return { path: backend.path, bytes, release: () => open.release(backend) }
}

/** Why a calibration cannot write on the tier; undefined when it can. */
export function refusalOf({ tier, config }: Pick<OpenTier, 'tier' | 'config'>): string | undefined {
  const { name, kind, target, unavailable } = tier
  if (unavailable !== undefined) return `tier ${name} is unavailable: ${unavailable}`
  if (kind === 'url') {
    return `tier ${name} is ${target}, where fio of this host cannot write; rate it with capacity.transactionsPerSecond`
  }
  if (kind !== 'device' || config.overwrite !== undefined) return undefined
  const last = String(target).split('/').at(-1)
  return `tier ${name} is ${target}, all of which a calibration would write to; it may with "overwrite: yes-destroy-${last}" in the config`
}

/** The file that a calibration of this state directory has in a folder: a directory may be the tier of several. */
export function calibrationFile(directory: string, stateDir: string): string {
  return join(directory, `${volumeTag(stateDir)}.calibration`)
}

/** Removes what a killed kvmio has left in these folders. A line for each, and for each that could not be removed. */
export async function removeCalibrationFiles(
  directories: readonly string[],
  stateDir: string,
): Promise<{ removed: string[]; left: string[] }> {
  const removed: string[] = []
  const left: string[] = []
  for (const directory of new Set(directories)) {
    const file = calibrationFile(directory, stateDir)
    try {
      await rm(file)
      removed.push(`removed ${file}`)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR')
        left.push(`${file}: ${messageOf(error)}`)
    }
  }
  return { removed, left }
}

function backendOf(open: OpenTier): Exclude<Backend, { kind: 'url' }> {
  const { directory } = open.tier
  if (directory !== undefined) {
    return { kind: 'file', path: calibrationFile(directory, open.context.stateDir) }
  }
  const backend = open.locate('calibration', 'fio', 'raw')
  if (backend.kind === 'url') throw new TypeError('expected a file or a device, got a URL')
  return backend
}
