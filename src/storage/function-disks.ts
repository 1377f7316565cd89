import { constants, open } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, UnavailableError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { readMounts } from '../source/mounts.ts'
import { disksOf, type PciFunction } from '../source/pci.ts'
import { readBlockDevices } from '../source/sysfs.ts'
import type { FunctionContext, PassedFunction } from './passthrough.ts'

/** Throws when a disk on the function is somebody's: in use, or with something on it that the config does not give up. */
export async function assertDisksFree(
  drive: PassedFunction,
  { address, driver }: PciFunction,
  context: FunctionContext,
): Promise<void> {
  const { name, overwrite } = drive
  const mayLose = overwrite === `yes-destroy-${address}`
  const remedy = `to have it lost, say passthrough: { pci: ${address}, overwrite: yes-destroy-${address} }`
  const disks = await disksOf(context.sysRoot, address)
  for (const disk of disks) {
    const user = await userOf(disk, context)
    if (user !== undefined)
      throw new UnavailableError(`drive ${name}: ${disk} on ${address} ${user}`)
    const signatures = mayLose ? [] : await signaturesOn(disk)
    if (signatures.length > 0) {
      const found = signatures.join(', ')
      throw new UnavailableError(`drive ${name}: ${disk} on ${address} holds ${found}; ${remedy}`)
    }
  }
  if (disks.length > 0 || mayLose) return
  const why = driver === undefined ? 'it has no driver' : `its driver is ${driver}`
  throw new UnavailableError(
    `drive ${name}: what is on the disk of ${address} cannot be seen, for ${why}; ${remedy}`,
  )
}

/** Who has a disk; the kernel knows of every mount, swap, md and dm device, whatever names it. */
async function userOf(
  disk: string,
  { procRoot, sysRoot }: FunctionContext,
): Promise<string | undefined> {
  const mine = (await readBlockDevices(sysRoot)).filter(
    ({ name, parents }) => name === disk || parents.includes(disk),
  )
  const numbers = mine.map(({ major, minor }) => `${major}:${minor}`)
  const mount = (await readMounts(procRoot)).find(({ device }) => numbers.includes(device))
  if (mount) return `is mounted at ${mount.mountPoint}`
  try {
    // Of a block device, what is already claimed is refused: open(2), O_EXCL.
    await (await open(join('/dev', disk), constants.O_RDONLY | constants.O_EXCL)).close()
    return undefined
  } catch (error) {
    if (codeOf(error) === 'EBUSY') return 'is in use (swap, a volume group, an array)'
    throw error
  }
}

/** Filesystems, partition tables, members of volume groups and arrays. */
async function signaturesOn(disk: string): Promise<string[]> {
  const types = await run('wipefs', ['--noheadings', '--output', 'TYPE', join('/dev', disk)])
  return [
    ...new Set(
      types
        .split('\n')
        .map((type) => type.trim())
        .filter(Boolean),
    ),
  ]
}
