import { realpath, rm } from 'node:fs/promises'
import { FILESYSTEMS } from '../config/tier-schema.ts'
import { messageOf } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { removeCgroup } from '../source/cgroup.ts'
import { readMounts } from '../source/mounts.ts'
import { endDaemon, findDaemons, signalDaemon } from './daemon.ts'
import { type DiskFiles, readDiskRecord, writeDiskRecord } from './disk-record.ts'
import { detachLoop, loopsOn } from './loop.ts'
import type { TierContext } from './tier-context.ts'
import { within } from './within.ts'

export type TeardownContext = Pick<TierContext, 'procRoot' | 'sysRoot'> &
  Partial<Pick<TierContext, 'cgroups' | 'unmountMs'>>

/** What was removed, a line each, and what could not be. */
export interface Teardown {
  removed: string[]
  left: string[]
}

// Dirty pages go to an emulated disk of 100 transactions/s at 50 MB/s at best and 0.4 MB/s at worst.
const UNMOUNT_MS = 60_000
const FUSE_UNMOUNT_MS = 5_000
const BROKEN_OFF_MS = 10_000
const DAEMON_GRACE_MS = 3_000
const STEP_GRACE_MS = 1_000

/**
 * Takes down whatever there is of a tier's disk: the mount, the loop device, nbdfuse, nbdkit, in this order, since each
 * stands on the next. What is there is asked of the kernel, not of the record, so it works after any crash. It goes on
 * after a failure; the loop file stays.
 */
export async function takeDownDisk(
  files: DiskFiles,
  name: string,
  context: TeardownContext,
): Promise<Teardown> {
  const { cgroups } = context
  const first = await takeDownOnce(files, context)
  // Ending the daemons frees what waited for them.
  const again = first.left.length > 0 ? await takeDownOnce(files, context) : undefined
  const result: Teardown = {
    removed: [...first.removed, ...(again?.removed ?? [])],
    left: again ? again.left : first.left,
  }
  const path = `${cgroups?.parent}/tier-${name}`
  if (cgroups) {
    await attempt(result, 'its cgroup', () => removeCgroup(cgroups.hierarchy, path))
  }
  await attempt(result, files.record, () => forget(files))
  return result
}

async function takeDownOnce(files: DiskFiles, context: TeardownContext): Promise<Teardown> {
  const { procRoot, sysRoot, unmountMs = UNMOUNT_MS } = context
  const result: Teardown = { removed: [], left: [] }
  await endSteps(files, procRoot)
  await unmountAll(result, files, files.mountPoint, unmountMs, procRoot)
  for (const file of [files.exported, files.image]) {
    for (const device of await loopsOn(sysRoot, file)) {
      await attempt(result, `/dev/${device}`, async () => {
        const gone = await detachLoop(sysRoot, device)
        if (gone) result.removed.push(`detached /dev/${device} from ${file}`)
        else result.left.push(`/dev/${device} is in use; it lets go of ${file} when that ends`)
      })
    }
  }
  await unmountAll(result, files, files.fuse, FUSE_UNMOUNT_MS, procRoot)
  for (const program of DAEMONS) {
    for (const daemon of await findDaemons(procRoot, program, files.socket)) {
      const gone = await endDaemon(procRoot, daemon, DAEMON_GRACE_MS)
      const list = gone ? result.removed : result.left
      list.push(`${gone ? 'ended' : 'could not end'} ${program} (pid ${daemon.pid})`)
    }
  }
  return result
}

async function unmountAll(
  result: Teardown,
  files: DiskFiles,
  mountPoint: string,
  limitMs: number,
  procRoot: string,
): Promise<void> {
  const mounts = await readMounts(procRoot)
  for (const _ of mounts.filter((mount) => mount.mountPoint === mountPoint)) {
    await attempt(result, mountPoint, async () => {
      const breakOff = () => killDaemons(files, procRoot)
      result.removed.push(await unmount(mountPoint, limitMs, breakOff))
    })
  }
}

async function attempt(
  { left }: Teardown,
  what: string,
  act: () => Promise<unknown>,
): Promise<void> {
  try {
    await act()
  } catch (error) {
    left.push(`${what}: ${messageOf(error)}`)
  }
}

/** The steps that a killed kvmio had begun end after it: a mount would come when nobody looks any more. */
async function endSteps(files: DiskFiles, procRoot: string): Promise<void> {
  const named = (await readDiskRecord(files).catch(() => undefined))?.device
  const device = named && (await realpath(named).catch(() => named))
  const steps = [
    ...['mount', 'umount'].map((program) => [program, files.mountPoint] as const),
    ...[files.exported, files.image].map((file) => ['losetup', file] as const),
    ...[files.image, ...(device === undefined ? [] : [device])].flatMap((path) =>
      FILESYSTEMS.map((type) => [`mkfs.${type}`, path] as const),
    ),
  ]
  for (const [program, word] of steps) {
    for (const step of await findDaemons(procRoot, program, word)) {
      await endDaemon(procRoot, step, STEP_GRACE_MS)
    }
  }
}

// nbdfuse ends by itself once its mount is gone, and nbdkit must be there until then.
const DAEMONS = ['nbdfuse', 'nbdkit']

/** Unmounts in order if it can, lazily if somebody uses it; breaks off what it stands on if that no longer answers. */
async function unmount(
  mountPoint: string,
  limitMs: number,
  breakOff: () => Promise<void>,
): Promise<string> {
  const ending = unmountOnce(mountPoint)
  let problem = await within(ending, limitMs)
  const stuck = problem === undefined
  if (stuck) {
    await breakOff()
    problem = await within(ending, BROKEN_OFF_MS)
  }
  if (problem === '') return `unmounted ${mountPoint}${stuck ? ` after its disk was ended` : ''}`
  await run('umount', ['--lazy', '--no-canonicalize', mountPoint], { timeoutMs: BROKEN_OFF_MS })
  return `unmounted ${mountPoint} lazily: it was in use`
}

/** What went wrong; empty when nothing did. */
async function unmountOnce(mountPoint: string): Promise<string> {
  try {
    // Looking at the path could hang on a FUSE that no longer answers.
    await run('umount', ['--no-canonicalize', mountPoint])
    return ''
  } catch (error) {
    return messageOf(error)
  }
}

/** The requests that wait for them fail then, and whoever waits for the requests goes on. */
async function killDaemons(files: DiskFiles, procRoot: string): Promise<void> {
  for (const program of DAEMONS) {
    for (const daemon of await findDaemons(procRoot, program, files.socket)) {
      await signalDaemon(procRoot, daemon, 'SIGKILL')
    }
  }
}

async function forget(files: DiskFiles): Promise<void> {
  await rm(files.socket, { force: true })
  await rm(files.nbdkitPid, { force: true })
  const record = await readDiskRecord(files)
  if (!record?.live) return
  const { live: _, ...rest } = record
  await writeDiskRecord(files, rest)
}
