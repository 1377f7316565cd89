// The qemus among the processes of a host: /proc/PID/cmdline and /proc/PID/exe, proc(5).
import { readdir, readFile, readlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { codeOf } from '../lib/errors.ts'

/** qemu's binaries: qemu-system-x86_64, RHEL's qemu-kvm, Proxmox' and Debian's kvm, NixOS' wrapped ones. */
const QEMU = /^\.?(qemu-system-[\w-]+?|qemu-kvm|kvm)(-wrapped)?$/

/** The ids of all processes. */
export async function readPids(procRoot: string): Promise<number[]> {
  const names = await readdir(procRoot)
  return names.filter((name) => /^\d+$/.test(name)).map(Number)
}

/** The arguments of a process if it is a qemu; undefined for all others, and for one that has ended. */
export async function readQemuArguments(
  procRoot: string,
  pid: number,
): Promise<string[] | undefined> {
  const folder = join(procRoot, String(pid))
  const argv = parseArguments(await readFile(join(folder, 'cmdline'), 'utf8').catch(goneIsEmpty))
  if (argv.length === 0) return undefined // it has ended, or is a thread of the kernel
  const isNamed = QEMU.test(basename(argv[0]!))
  // The link says more than the name, but another user's is not to be read.
  const exe = await readlink(join(folder, 'exe')).catch(() => '')
  const isQemu = exe === '' ? isNamed : QEMU.test(basename(exe.replace(/ \(deleted\)$/, '')))
  return isQemu ? argv : undefined
}

/** Whether this host runs a vm. */
export async function hasQemus(procRoot: string): Promise<boolean> {
  const pids = await readPids(procRoot)
  const all = await Promise.all(pids.map((pid) => readQemuArguments(procRoot, pid)))
  return all.some((argv) => argv && !isQuestion(argv))
}

/** What it is asked ends it: `-device help`, or a machine that is none for QMP alone. */
export function isQuestion(argv: readonly string[]): boolean {
  const machine = argv.findIndex((word) => /^--?(M|machine)$/.test(word))
  const isNone = machine !== -1 && /^(type=)?none\b/.test(argv[machine + 1] ?? '')
  return isNone || argv.some((word) => /^(help|\?|--?(help|h|version))$/.test(word))
}

/** Each argument ends with a zero byte. */
export function parseArguments(text: string): string[] {
  return text === '' ? [] : text.replace(/\0$/, '').split('\0')
}

/** Gone meanwhile; the file itself may be read by everyone, unless /proc is mounted with hidepid. */
function goneIsEmpty(error: unknown): string {
  if (codeOf(error) !== undefined) return ''
  throw error
}
