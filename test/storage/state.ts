// A state directory of a test's own, which leaves nothing on the host, however the test ends.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { TierConfig } from '../../src/config/schema.ts'
import { silentLog } from '../../src/lib/log.ts'
import { run } from '../../src/lib/process.ts'
import { findIoHierarchy, removeCgroup } from '../../src/source/cgroup.ts'
import { type Diskstat, readDiskstats } from '../../src/source/diskstats.ts'
import { readMounts } from '../../src/source/mounts.ts'
import { findDaemons } from '../../src/storage/daemon.ts'
import { diskFiles } from '../../src/storage/disk-record.ts'
import { backingFiles } from '../../src/storage/loop.ts'
import { removeOrphans } from '../../src/storage/orphans.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import type { TierContext } from '../../src/storage/tier-context.ts'

export const roots = { procRoot: '/proc', sysRoot: '/sys' }

/** Why this host cannot run a test of filesystems. */
export async function cannotMakeDisks(...programs: string[]): Promise<string | false> {
  if (process.geteuid?.() !== 0) return 'needs root for loop devices and mounts'
  return (await missingPrograms(['losetup', 'mkfs.ext4', 'mount', ...programs])) ?? false
}

/** Which is gone, with all that was built in it, when the test has ended. */
export async function stateFor(t: Test): Promise<TierContext> {
  const stateDir = await realpath(await mkdtemp(join(tmpdir(), 'kvmio-storage-')))
  const hierarchy = process.geteuid?.() === 0 ? await findIoHierarchy('/proc') : undefined
  const parent = `kvmio-test-${process.pid}`
  const cgroups = hierarchy && { cgroups: { hierarchy, parent } }
  const context: TierContext = { ...roots, stateDir, log: silentLog, ...cgroups }
  t.teardown(async () => {
    await removeOrphans(stateDir, context)
    if (hierarchy) await removeCgroup(hierarchy, parent).catch(() => {})
    await rm(stateDir, { recursive: true, force: true })
  })
  return context
}

/** Everything outside of files that a disk in this state directory is made of. */
export async function whatIsUp({ stateDir, cgroups }: TierContext): Promise<string[]> {
  const [mounts, loops, names] = await Promise.all([
    readMounts('/proc'),
    backingFiles('/sys'),
    readdir(join(stateDir, 'tiers')).catch(() => []),
  ])
  const daemons = names.flatMap((name) => {
    const { socket } = diskFiles(stateDir, name)
    return ['nbdkit', 'nbdfuse'].map(async (program) => {
      const found = await findDaemons('/proc', program, socket)
      return found.map(({ pid }) => `${program} ${pid}`)
    })
  })
  const group = cgroups && join(cgroups.hierarchy.root, cgroups.parent)
  const groups = group ? await readdir(group).catch(() => []) : []
  return [
    ...mounts.map(({ mountPoint }) => mountPoint).filter((path) => path.startsWith(stateDir)),
    ...[...loops].flatMap(([name, file]) => (file.startsWith(stateDir) ? [name] : [])),
    ...(await Promise.all(daemons)).flat(),
    ...groups.filter((name) => name.startsWith('tier-')),
  ]
}

/** A small filesystem in memory, gone when the test has ended. Not in t.testdir(), which tap removes first. */
export async function tmpfs(t: Test, options: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-tmpfs-'))
  await run('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', directory])
  t.teardown(async () => {
    await run('umount', [directory])
    await rm(directory, { recursive: true })
  })
  return directory
}

export async function diskstatOf(device: string): Promise<Diskstat> {
  const found = (await readDiskstats('/proc')).find((stat) => stat.device === device)
  if (!found) throw new Error(`no ${device} in /proc/diskstats`)
  return found
}

/** A kvmio that opens a tier, makes a drive of so many bytes if told to, prints both as JSON, and waits to be killed. */
export function openInChild(
  t: Test,
  name: string,
  config: TierConfig,
  { stateDir, cgroups }: TierContext,
  { drive, ...options }: { uid?: number; drive?: number } = {},
): ChildProcess {
  const script = join(import.meta.dirname, 'open-tier.ts')
  const input = JSON.stringify({ name, config, drive, context: { ...roots, stateDir, cgroups } })
  const child = spawn(process.execPath, [script, input], {
    stdio: ['ignore', 'pipe', 'inherit'],
    ...options,
  })
  t.teardown(() => kill(child))
  return child
}

export async function printed<T>(child: ChildProcess): Promise<T> {
  for await (const chunk of child.stdout!) return JSON.parse(String(chunk))
  throw new Error('the child ended without a word')
}

export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}
