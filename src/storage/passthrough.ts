// A disk controller of the host's, lent to a guest: https://docs.kernel.org/driver-api/vfio.html
import { constants, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf, KvmioError, messageOf, UnavailableError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { lendingProblem, type PciFunction, readPciFunction } from '../source/pci.ts'
import { assertDisksFree } from './function-disks.ts'

/** Where functions are, and what is remembered of them. */
export interface FunctionContext {
  stateDir: string
  procRoot: string
  sysRoot: string
}

export interface PassedFunction {
  /** The drive's name. */
  name: string
  /** Address of the function. */
  pci: string
  /** yes-destroy-ADDRESS where what is on its disk may be lost. */
  overwrite?: string
}

/** What a lent function has to come back to; it is on disk before anything is done to the function. */
interface FunctionRecord {
  /** The vm that has it. */
  vm: string
  /** Its driver before; absent when it had none. */
  driver?: string
  /** Its driver_override before. */
  driverOverride?: string
}

const VFIO = 'vfio-pci'
const BINDING_MS = 30_000
const POLL_MS = 50

/** Why this host cannot lend a function at all; undefined when it can, unless its disk is somebody's. */
export async function functionProblem(
  { name, pci }: PassedFunction,
  { sysRoot }: Pick<FunctionContext, 'sysRoot'>,
): Promise<string | undefined> {
  const problem = lendingProblem(pci, await readPciFunction(sysRoot, pci))
  return problem && `drive ${name}: ${problem}`
}

/** Takes a function from its driver for a vm; refused where that could hurt somebody else. */
export async function takeFunction(
  drive: PassedFunction,
  vm: string,
  context: FunctionContext,
): Promise<void> {
  const { pci } = drive
  await giveBackFunction(pci, context) // what a run that was killed has left
  const problem = await functionProblem(drive, context)
  const found = await readPciFunction(context.sysRoot, pci)
  if (problem !== undefined || !found) throw new UnavailableError(problem ?? `${pci} is gone`)
  await assertDisksFree(drive, found, context)
  await run('modprobe', [VFIO]).catch((error) => {
    throw new UnavailableError(
      `drive ${drive.name}: this kernel has no ${VFIO}: ${messageOf(error)}`,
    )
  })
  const { driver, driverOverride } = found
  await writeRecord(pci, { vm, driver, driverOverride }, context)
  try {
    await moveTo(VFIO, found, VFIO, context)
  } catch (error) {
    await giveBackFunction(pci, context).catch(() => {}) // the first error says more
    throw error
  }
}

/** Gives a function back to the driver that had it; nothing is done to one that was not taken. */
export async function giveBackFunction(pci: string, context: FunctionContext): Promise<void> {
  const record = await readRecord(pci, context)
  if (!record) return
  const found = await readPciFunction(context.sysRoot, pci)
  if (found) await moveTo(record.driver, found, record.driverOverride ?? '', context)
  await rm(recordFile(pci, context), { force: true })
}

/** Gives back what vms have that run no more. Returns a line for each function, also for one that stays. */
export async function giveBackOrphans(
  context: FunctionContext,
  keep: ReadonlySet<string>,
): Promise<string[]> {
  const lines: string[] = []
  for (const file of await listRecords(context)) {
    const pci = file.slice(0, -'.json'.length)
    const record = await readRecord(pci, context)
    if (!record || keep.has(record.vm)) continue
    try {
      await giveBackFunction(pci, context)
      lines.push(`gave ${pci} back to ${record.driver ?? 'no driver, as before'}`)
    } catch (error) {
      lines.push(`${pci} is not given back: ${messageOf(error)}`)
    }
  }
  return lines
}

/** From whatever driver has it to another one, or to none. */
async function moveTo(
  driver: string | undefined,
  { address, driver: now }: PciFunction,
  override: string,
  { sysRoot }: FunctionContext,
): Promise<void> {
  const bus = join(sysRoot, 'bus/pci')
  const device = join(bus, 'devices', address)
  await attempt(address, async () => {
    // An empty line takes an override away.
    await setValue(join(device, 'driver_override'), `${override}\n`)
    if (now !== undefined && now !== driver) await setValue(join(device, 'driver/unbind'), address)
    if (driver !== undefined && now !== driver) await setValue(join(bus, 'drivers_probe'), address)
  })
  if (driver === undefined) return
  const deadline = Date.now() + BINDING_MS
  for (;;) {
    const found = await readPciFunction(sysRoot, address)
    if (found?.driver === driver) return
    if (Date.now() > deadline) {
      throw new KvmioError(
        `${address}: expected driver ${driver} to take it in ${BINDING_MS / 1000} s, got ${found?.driver ?? 'no driver'}`,
      )
    }
    await sleep(POLL_MS)
  }
}

async function attempt(address: string, act: () => Promise<void>): Promise<void> {
  try {
    await act()
  } catch (cause) {
    const code = codeOf(cause)
    const why =
      code === 'EACCES' || code === 'EPERM'
        ? 'permission denied; run kvmio as root'
        : messageOf(cause)
    throw new UnavailableError(`${address} cannot be given to another driver: ${why}`, { cause })
  }
}

/** For writing alone: sysfs lets nobody, not even root, open for reading what cannot be read. */
async function setValue(file: string, value: string): Promise<void> {
  await using handle = await open(file, constants.O_WRONLY)
  await handle.write(value)
}

function recordFile(pci: string, { stateDir }: FunctionContext): string {
  return join(stateDir, 'passthrough', `${pci}.json`)
}

async function writeRecord(
  pci: string,
  record: FunctionRecord,
  context: FunctionContext,
): Promise<void> {
  const file = recordFile(pci, context)
  await mkdir(join(context.stateDir, 'passthrough'), { recursive: true, mode: 0o700 })
  await writeFile(`${file}.new`, `${JSON.stringify(record)}\n`, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

async function readRecord(
  pci: string,
  context: FunctionContext,
): Promise<FunctionRecord | undefined> {
  const file = recordFile(pci, context)
  try {
    return JSON.parse(await readFile(file, 'utf8')) as FunctionRecord
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined
    throw new KvmioError(`${file}: expected a record of kvmio's: ${messageOf(cause)}`, { cause })
  }
}

async function listRecords({ stateDir }: FunctionContext): Promise<string[]> {
  try {
    const files = await readdir(join(stateDir, 'passthrough'))
    return files.filter((file) => file.endsWith('.json')).sort()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}
