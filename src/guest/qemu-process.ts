import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf, DeadlineError, KvmioError, messageOf } from '../lib/errors.ts'
import { startDetached } from '../lib/process.ts'
import { isSameProcess, readProcStat } from '../source/proc.ts'
import { Qmp } from '../source/qmp.ts'
import { qemuArgv } from './argv.ts'
import { writeInitrd } from './initrd.ts'
import { type VmPlan, vmFiles } from './plan.ts'
import { createSeed } from './systems/seed.ts'

/** Which process is meant, whatever has been started since: a pid comes back, its start time does not. */
export interface ProcessIdentity {
  pid: number
  /** Clock ticks since the host's boot. */
  startTicks: number
}

export interface QemuProcess extends ProcessIdentity {
  /** Resolves with how it ended, in words; not to be had of an adopted one. */
  ended?: Promise<string>
}

const POLL_MS = 20
const ENDING_MS = 2_000
const LAST_LINES = 8
const LINES_BEFORE_PANIC = 3

/** Starts qemu, stopped before its first instruction, in a fresh folder of the vm's own. */
export async function startQemu(
  plan: VmPlan,
  binary: string,
  procRoot: string,
): Promise<QemuProcess> {
  await rm(plan.directory, { recursive: true, force: true })
  await mkdir(plan.directory, { recursive: true, mode: 0o700 })
  await writeInputs(plan)
  const log = await open(vmFiles(plan.directory).qemuLog, 'w')
  try {
    const name = `vm ${plan.name}: qemu`
    const args = qemuArgv(plan)
    const { pid, ended } = await startDetached({
      name,
      ...withLockedMemory(plan, binary, args),
      cwd: plan.directory,
      output: log.fd,
    })
    return { pid, startTicks: await startTicksOf(pid, procRoot), ended }
  } finally {
    await log.close()
  }
}

// What qemu needs beside the guest's memory, as much as libvirt gives it: the devices' own memory is mapped too.
const LOCKED_BESIDE_BYTES = 2 ** 30

/**
 * A device that reaches into the guest's memory has it locked, and each time that the guest's firmware moves a piece of
 * it, it is locked anew: by a qemu that is no longer root, and so under the limit of that user (8 MiB on Debian 12).
 */
function withLockedMemory(plan: VmPlan, file: string, args: string[]) {
  if (!plan.passthrough) return { file, args }
  const limit = plan.memoryBytes + LOCKED_BESIDE_BYTES
  return { file: 'prlimit', args: [`--memlock=${limit}`, file, ...args] }
}

/** What qemu hands to the guest beside its drives. */
async function writeInputs({ name, directory, boot, files = {}, seed }: VmPlan): Promise<void> {
  const at = vmFiles(directory)
  if ('kernel' in boot && boot.files) await writeInitrd(at.initrd, boot)
  for (const [file, text] of Object.entries(files)) {
    await writeFile(at.firmware(file), text, { mode: 0o600 })
  }
  if (seed) await createSeed(at.seed, name, seed)
}

/** Connects to a qemu that is coming up. Throws with qemu's own words when it ends instead. */
export async function connectQmp(
  plan: VmPlan,
  process: QemuProcess,
  procRoot: string,
  timeoutMs: number,
): Promise<Qmp> {
  const path = vmFiles(plan.directory).qmp
  const deadline = Date.now() + timeoutMs
  for (;;) {
    try {
      return await Qmp.connect({ name: `vm ${plan.name}`, path })
    } catch (error) {
      if (!(await isSameProcess(procRoot, process.pid, process.startTicks))) {
        throw new KvmioError(await endingOf(plan, process), { cause: error })
      }
      if (Date.now() > deadline) {
        const cause = messageOf(error)
        throw new DeadlineError(
          `vm ${plan.name}: QMP not ready in ${timeoutMs / 1000} s: ${cause}`,
          { cause: error },
        )
      }
      await sleep(POLL_MS)
    }
  }
}

/** Why a qemu that has ended did so: its exit code or signal, and what it printed last. */
export async function endingOf(plan: VmPlan, process: QemuProcess): Promise<string> {
  const lines = await lastLines(vmFiles(plan.directory).qemuLog)
  // Its exit code comes a moment after the process has gone, on a busy host a long one.
  const ending = (await Promise.race([process.ended, sleep(ENDING_MS)])) ?? 'is gone'
  return `vm ${plan.name}: qemu ${ending}${lines === '' ? '' : `:\n  ${lines}`}`
}

/**
 * The last lines of a log, indented to stand below a message; empty when there are none. Of a kernel that panicked those
 * around its cause: it prints some thirty lines of registers and stack after it.
 */
export async function lastLines(file: string): Promise<string> {
  try {
    const text = await readFile(file, 'utf8')
    const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '')
    const cause = lines.findLastIndex((line) => line.includes('Kernel panic - not syncing'))
    const from = cause === -1 ? -LAST_LINES : Math.max(0, cause - LINES_BEFORE_PANIC)
    return lines.slice(from).slice(0, LAST_LINES).join('\n  ')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return ''
    throw error
  }
}

/** Waits until the process has gone; false when it has not by then. */
export async function waitForEnd(
  process: ProcessIdentity,
  procRoot: string,
  timeoutMs: number,
): Promise<boolean> {
  const deadline = Date.now() + timeoutMs
  while (await isSameProcess(procRoot, process.pid, process.startTicks)) {
    if (Date.now() > deadline) return false
    await sleep(POLL_MS)
  }
  return true
}

/** Ends a process that would not end by itself: SIGTERM, and SIGKILL after the grace time. */
export async function endProcess(
  identity: ProcessIdentity,
  procRoot: string,
  graceMs: number,
): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (!(await isSameProcess(procRoot, identity.pid, identity.startTicks))) return
    try {
      process.kill(identity.pid, signal)
    } catch (error) {
      if (codeOf(error) !== 'ESRCH') throw error
    }
    if (await waitForEnd(identity, procRoot, graceMs)) return
  }
}

async function startTicksOf(pid: number, procRoot: string): Promise<number> {
  try {
    return (await readProcStat(procRoot, pid)).startTicks
  } catch {
    return 0 // it has ended already; connectQmp says why
  }
}
