// A disk or a partition as it is, which holds one drive of one vm at a time.
import { constants, type FileHandle, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { KvmioError, UnavailableError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { formatBytes } from '../lib/quantities.ts'
import { checkConsent, examineDevice, type FreeDevice } from './device-safety.ts'
import { missingPrograms } from './programs.ts'
import type { TierContext } from './tier-context.ts'

/** A device that kvmio has for itself while it runs. */
export interface ClaimedDevice extends FreeDevice {
  /** As the config names it. */
  configured: string
  /** Says that a drive is on it, and in which boot of this host. */
  record: string
  /** Held open for one alone: nobody can mount it or make a filesystem on it. qemu opens it beside. */
  claim: FileHandle
}

type DeviceContext = Pick<TierContext, 'stateDir' | 'procRoot' | 'sysRoot'>

/** Takes a device that nobody uses, and that is empty, given up or still holds the drive of a killed kvmio's vm. */
export async function claimDevice(
  name: string,
  path: string,
  overwrite: string | undefined,
  context: DeviceContext,
): Promise<ClaimedDevice> {
  const reason =
    (process.geteuid?.() === 0 ? undefined : 'needs root for devices and mounts') ??
    (await missingPrograms(['wipefs']))
  if (reason !== undefined) {
    throw new UnavailableError(`${reason}; run kvmio as root or use a directory`)
  }
  const device = await examineDevice(path, context)
  const record = recordOf(context.stateDir, name)
  const held = await readFile(record, 'utf8').catch(() => '')
  const ours = held === (await use(path, context.procRoot))
  checkConsent(path, ours ? [] : device.signatures, overwrite)
  const claim = await open(device.path, constants.O_RDONLY | constants.O_EXCL)
  return { ...device, configured: path, record, claim }
}

/** Empties the device for a drive. */
export async function allocateDevice(
  device: ClaimedDevice | undefined,
  bytes: number,
  procRoot: string,
): Promise<void> {
  if (!device) throw new KvmioError('a device that is unavailable holds no drive')
  const { configured, record, sizeBytes } = device
  if (bytes > sizeBytes) {
    const [has, wanted] = [sizeBytes, bytes].map(formatBytes)
    throw new UnavailableError(`${configured} has ${has}, and a drive of ${wanted} is asked for`)
  }
  await mkdir(join(record, '..'), { recursive: true, mode: 0o700 })
  await writeFile(record, await use(configured, procRoot), { mode: 0o600 })
  await wipe(device)
}

/** Wipes what the guest wrote where others look for it, so that the device is empty to whoever comes next. */
export async function releaseDevice(device: ClaimedDevice | undefined): Promise<void> {
  if (!device || (await readFile(device.record, 'utf8').catch(() => '')) === '') return
  await wipe(device)
  await rm(device.record, { force: true })
}

/** Empties the device that a vm of a killed kvmio had, once that vm has ended. A line, if there was one. */
export async function releaseOrphanDevice(
  name: string,
  context: DeviceContext,
): Promise<{ removed: string[]; left: string[] }> {
  const held = await readFile(recordOf(context.stateDir, name), 'utf8').catch(() => '')
  const path = held.split('\n')[0] ?? ''
  if (path === '' || process.geteuid?.() !== 0) return { removed: [], left: [] }
  try {
    const device = await claimDevice(name, path, undefined, context)
    await releaseDevice(device)
    await device.claim.close()
    return { removed: [`emptied ${path}`], left: [] }
  } catch (error) {
    if (!(error instanceof KvmioError)) throw error
    return { removed: [], left: [`${path} still holds a drive: ${error.message}`] }
  }
}

function recordOf(stateDir: string, name: string): string {
  return join(stateDir, 'tiers', name, 'device')
}

/** After a reboot nobody knows what others did with it meanwhile. */
async function use(path: string, procRoot: string): Promise<string> {
  const boot = await readFile(join(procRoot, 'sys/kernel/random/boot_id'), 'utf8').catch(() => '')
  return `${path}\n${boot.trim()}\n`
}

const BEGIN_BYTES = 2 ** 20

/** What is looked for by others, and the begin, which a guest would boot from. By force, since the claim is our own. */
async function wipe({ path, sizeBytes }: FreeDevice): Promise<void> {
  await run('wipefs', ['--all', '--force', '--quiet', path])
  const file = await open(path, constants.O_WRONLY)
  try {
    await file.write(Buffer.alloc(Math.min(BEGIN_BYTES, sizeBytes)), 0, undefined, 0)
    await file.sync()
  } finally {
    await file.close()
  }
}
