import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type IoHierarchy, removeCgroup } from '../source/cgroup.ts'
import { readProcStat } from '../source/proc.ts'
import { endProcess } from './qemu-process.ts'

export interface OrphanOptions {
  procRoot: string
  /** The folder of the vms' folders. */
  vmsDir: string
  hierarchy?: IoHierarchy
  /** The cgroup that holds those of the vms. */
  cgroup?: string
  /** Vms that belong to a run which goes on. */
  keep: ReadonlySet<string>
}

const GRACE_MS = 2_000

/**
 * Ends qemu processes of this state directory that no run owns, and removes their folders and cgroups. They are known
 * by their own command line, so that one is found too whose pid was never written down. Tells what it removed.
 */
export async function removeOrphanVms(options: OrphanOptions): Promise<string[]> {
  const { procRoot, vmsDir, hierarchy, cgroup, keep } = options
  const removed: string[] = []
  for (const { pid, vm } of await findQemus(procRoot, vmsDir)) {
    if (keep.has(vm)) continue
    const stat = await readProcStat(procRoot, pid).catch(() => undefined)
    if (!stat) continue // it has ended by itself
    await endProcess({ pid, startTicks: stat.startTicks }, procRoot, GRACE_MS)
    removed.push(`ended qemu of vm ${vm} (pid ${pid})`)
  }
  for (const vm of await list(vmsDir)) {
    if (keep.has(vm)) continue
    if (hierarchy && cgroup !== undefined) await removeCgroup(hierarchy, join(cgroup, vm))
    await rm(join(vmsDir, vm), { recursive: true, force: true })
    removed.push(`removed the folder of vm ${vm}`)
  }
  return removed
}

async function findQemus(procRoot: string, vmsDir: string): Promise<{ pid: number; vm: string }[]> {
  const socket = new RegExp(`path=${literal(vmsDir.replaceAll(',', ',,'))}/([^/]+)/qmp\\.sock`)
  const pids = (await readdir(procRoot)).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(
    pids.map(async (pid) => {
      const vm = socket.exec(await commandLine(procRoot, pid))?.[1]
      return vm === undefined ? [] : [{ pid: Number(pid), vm }]
    }),
  )
  return found.flat()
}

async function commandLine(procRoot: string, pid: string): Promise<string> {
  // Gone meanwhile, or not ours to read: not a vm of ours in either case.
  return await readFile(join(procRoot, pid, 'cmdline'), 'utf8').catch(() => '')
}

async function list(directory: string): Promise<string[]> {
  return await readdir(directory).catch(() => [])
}

function literal(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
