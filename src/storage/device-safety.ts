import { constants, open } from 'node:fs/promises'
import { basename } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { consentTo } from '../config/tier-rules.ts'
import { codeOf, UnavailableError } from '../lib/errors.ts'
import {
  type DeviceFamily,
  findBlockDevice,
  mountPointsOf,
  readDeviceFamily,
  readSwaps,
  type SysDevice,
} from '../source/block-device.ts'
import { readMounts } from '../source/mounts.ts'
import { readSignatures, type Signature } from '../source/signatures.ts'
import { backingFiles } from './loop.ts'
import type { TierContext } from './tier-context.ts'

type Roots = Pick<TierContext, 'procRoot' | 'sysRoot'>

/** A device that nobody uses. */
export interface FreeDevice {
  /** Without symbolic links, which may name another device tomorrow. */
  path: string
  /** As in /proc/diskstats. */
  name: string
  sizeBytes: number
  /** What is written on it. */
  signatures: Signature[]
}

/**
 * Looks at a device that the config names. Throws when it is no block device or something uses it, whatever the config
 * says of overwriting: what is mounted, swapped to, part of another device or open for one alone is never touched.
 */
export async function examineDevice(path: string, roots: Roots): Promise<FreeDevice> {
  const named = await findBlockDevice(path).catch((error) => {
    const missing = codeOf(error) === 'ENOENT' ? 'there is no such device' : undefined
    throw new UnavailableError(`${path}: ${missing ?? error.message}`, { cause: error })
  })
  if (!named) throw new UnavailableError(`${path} is not a block device`)
  const family = await readDeviceFamily(roots.sysRoot, named.number)
  const where = named.path === path ? path : `${path} (${named.path})`
  const problem =
    (await useOf(family, named.path, roots)) ??
    (family.device.readOnly ? 'is read-only' : undefined) ??
    (await exclusion(named.path))
  if (problem !== undefined) throw new UnavailableError(`${where} ${problem}`)
  const { name, sizeBytes } = family.device
  return { path: named.path, name, sizeBytes, signatures: await readSignatures(named.path) }
}

/** Throws when a device holds what is not kvmio's own, unless the config gives it up in so many words. */
export function checkConsent(
  path: string,
  foreign: readonly Signature[],
  overwrite: string | undefined,
): void {
  const consent = consentTo(path)
  if (foreign.length === 0 || overwrite === consent) return
  const all = [...new Set(foreign.map(described))].join(', ')
  throw new UnavailableError(
    `${path} holds what kvmio did not write: ${all}; to have it overwritten, say overwrite: ${consent}`,
  )
}

function described({ type, label }: Signature): string {
  return label === undefined || label === '' ? type : `${type} (${JSON.stringify(label)})`
}

async function useOf(
  { device, disk, partitions }: DeviceFamily,
  path: string,
  roots: Roots,
): Promise<string | undefined> {
  const own = await useOfOne(device, path, roots)
  if (own !== undefined) return own
  const folder = path.slice(0, -basename(path).length)
  for (const one of [...(disk ? [disk] : []), ...partitions]) {
    const use = await useOfOne(one, `${folder}${one.name}`, roots)
    const relation = one === disk ? 'is part of' : 'has the partition'
    if (use !== undefined) return `${relation} ${one.name}, which ${use}`
  }
  return undefined
}

async function useOfOne(
  device: SysDevice,
  path: string,
  { procRoot, sysRoot }: Roots,
): Promise<string | undefined> {
  const [mountPoint] = await mountPointsOf(device, await readMounts(procRoot))
  if (mountPoint !== undefined) return `is mounted at ${mountPoint}`
  if ((await readSwaps(procRoot)).includes(path)) return 'is swap space in use'
  if (device.holders.length > 0) return `is used by ${device.holders.join(', ')}`
  for (const [loop, file] of await backingFiles(sysRoot)) {
    if (file === path) return `is under loop device /dev/${loop}`
  }
  return undefined
}

const LET_GO_MS = 1_000
const POLL_MS = 50

/**
 * A member of md, LVM or multipath, a claim of another program or of another tier: then the kernel refuses. A
 * filesystem that has just been unmounted may hold its device a moment longer.
 */
async function exclusion(path: string): Promise<string | undefined> {
  const deadline = Date.now() + LET_GO_MS
  for (;;) {
    try {
      await (await open(path, constants.O_RDONLY | constants.O_EXCL)).close()
      return undefined
    } catch (error) {
      if (codeOf(error) !== 'EBUSY') throw error
      if (Date.now() > deadline) return 'is in use: it cannot be opened for one alone'
      await sleep(POLL_MS)
    }
  }
}
