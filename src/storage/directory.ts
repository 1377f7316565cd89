import { mkdir, open, realpath, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Tier } from '../attribution/records.ts'
import { codeOf, messageOf, UnavailableError } from '../lib/errors.ts'
import { deviceName } from '../source/block-device.ts'
import { filesystemOf, readMounts } from '../source/mounts.ts'
import type { TierContext } from './tier-context.ts'

/** Makes a directory a tier: it must be there, or may be made if it is in the state directory. */
export async function openDirectory(
  tier: Tier,
  directory: string,
  context: TierContext,
): Promise<void> {
  const parent = await realpath(dirname(directory)).catch(() => '')
  if (`${parent}/`.startsWith(`${context.stateDir}/`)) await makeDirectory(directory)
  const found = await stat(directory).catch((error) => {
    throw new UnavailableError(`${directory}: ${hint(error)}`, { cause: error })
  })
  if (!found.isDirectory()) throw new UnavailableError(`${directory} is not a directory`)
  await tryWriting(directory)
  const { mount, device } = await filesystemOf(directory, await readMounts(context.procRoot))
  tier.directory = directory
  tier.filesystem = mount.filesystem
  const name = device && (await deviceName(context.procRoot, device))
  if (name) tier.device = name
  else tier.mount = { point: mount.mountPoint, source: mount.source }
}

async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o700 })
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return
    throw new UnavailableError(`${directory} cannot be made: ${hint(error)}`, { cause: error })
  }
}

/** Permissions alone do not tell: a read-only mount, a quota, a server that says no. */
async function tryWriting(directory: string): Promise<void> {
  const file = join(directory, `.kvmio-${process.pid}-${Date.now()}`)
  try {
    await (await open(file, 'wx', 0o600)).close()
    await rm(file)
  } catch (error) {
    throw new UnavailableError(`${directory} cannot be written to: ${hint(error)}`, {
      cause: error,
    })
  }
}

function hint(error: unknown): string {
  switch (codeOf(error)) {
    case 'ENOENT':
      return 'there is no such directory; make it'
    case 'EACCES':
    case 'EPERM':
      return 'permission denied; run kvmio as a user who may'
    case 'EROFS':
      return 'its filesystem is read-only'
    case 'ENOSPC':
      return 'its filesystem is full'
    default:
      return messageOf(error)
  }
}
