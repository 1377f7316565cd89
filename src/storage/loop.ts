// Loop devices: losetup(8), https://docs.kernel.org/admin-guide/abi-stable.html#abi-sys-block
import { access, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf, UnavailableError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'

export interface LoopOptions {
  sysRoot: string
  /** The largest request that it is sent, in KiB; the kernel's default without. */
  maxRequestKb?: number
}

const DETACH_WAIT_MS = 3_000 // with a load of 25 on two cores one was not enough
const POLL_MS = 20

/** Makes a block device of a file, past the host's page cache, and returns its name. After an error it may be attached. */
export async function attachLoop(file: string, options: LoopOptions): Promise<string> {
  const output = await run('losetup', ['--direct-io=on', '--find', '--show', file])
  const device = output.trim().replace('/dev/', '')
  const queue = join(options.sysRoot, 'block', device)
  const direct = await readFile(join(queue, 'loop/dio'), 'utf8')
  if (direct.trim() !== '1') {
    throw new UnavailableError(
      `${file} lies on a filesystem without direct I/O, so what is measured would be the page cache; move the state directory`,
    )
  }
  await limitRequests(options.sysRoot, device, options.maxRequestKb ?? 0)
  return device
}

/** The names of the loop devices that stand on a file. Reads nothing of their queues, which blocks on a stuck one. */
export async function loopsOn(sysRoot: string, file: string): Promise<string[]> {
  const files = await backingFiles(sysRoot)
  return [...files].flatMap(([device, backing]) => (backing === file ? [device] : []))
}

/** What stands under each loop device in use, by its name. */
export async function backingFiles(sysRoot: string): Promise<Map<string, string>> {
  const names = await readdir(join(sysRoot, 'block'))
  const files = new Map<string, string>()
  for (const device of names.filter((name) => /^loop\d+$/.test(name)).sort()) {
    const text = await readFile(join(sysRoot, 'block', device, 'loop/backing_file'), 'utf8').catch(
      free,
    )
    if (text) files.set(device, text.replace(/( \(deleted\))?\n$/, ''))
  }
  return files
}

/** False when it is busy: then the kernel lets go of the file when the last user closes the device. */
export async function detachLoop(sysRoot: string, device: string): Promise<boolean> {
  await run('losetup', ['--detach', `/dev/${device}`])
  const deadline = Date.now() + DETACH_WAIT_MS
  while (await isAttached(sysRoot, device)) {
    if (Date.now() > deadline) return false
    await sleep(POLL_MS) // udev may look at it for a moment
  }
  // Not while it is attached: this waits, uninterruptibly, for requests that are under way.
  await limitRequests(sysRoot, device, 0)
  return true
}

/** Whether a file is under the device. */
async function isAttached(sysRoot: string, device: string): Promise<boolean> {
  try {
    await access(join(sysRoot, 'block', device, 'loop'))
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

/** The limit stays with the device's number after it is detached (seen on 6.18), so it is set each time; 0 is the default. */
async function limitRequests(sysRoot: string, device: string, kb: number): Promise<void> {
  try {
    await writeFile(join(sysRoot, 'block', device, 'queue/max_sectors_kb'), String(kb))
  } catch (error) {
    // Kernels before 6.0 or so know no 0, and a device that is gone needs no default.
    if (kb !== 0) throw error
  }
}

/** No file is under it, or it has just gone. */
function free(error: unknown): undefined {
  if (codeOf(error) === undefined) throw error
}
