import { join } from 'node:path'
import { messageOf, UnavailableError } from '../lib/errors.ts'
import { disksOf, type PciFunction } from '../source/pci.ts'
import { examineDevice } from './device-safety.ts'
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
    const { path, signatures } = await examineDevice(join('/dev', disk), context).catch((error) => {
      throw new UnavailableError(`drive ${name}: ${messageOf(error)}`, { cause: error })
    })
    if (mayLose || signatures.length === 0) continue
    const found = [...new Set(signatures.map(({ type }) => type))].join(', ')
    throw new UnavailableError(`drive ${name}: ${path} on ${address} holds ${found}; ${remedy}`)
  }
  if (disks.length > 0 || mayLose) return
  const why = driver === undefined ? 'it has no driver' : `its driver is ${driver}`
  throw new UnavailableError(
    `drive ${name}: what is on the disk of ${address} cannot be seen, for ${why}; ${remedy}`,
  )
}
