import type { QemuCommandLine } from '../source/qemu-command-line.ts'
import type { VmManager } from './records.ts'

/** A qemu process that kvmio did not start. */
export interface ForeignProcess {
  pid: number
  startTicks: number
  argv: readonly string[]
  line: QemuCommandLine
}

/** libvirt names its own monitor and its key so (src/qemu/qemu_command.c, qemu_alias.c), and its block nodes. */
const OF_LIBVIRT = /\bcharmonitor\b|\bmasterKey0\b|\blibvirt-\d+-(storage|format)\b/

export function managerOf({ argv, line }: Pick<ForeignProcess, 'argv' | 'line'>): VmManager {
  if (line.id !== undefined) return 'proxmox'
  return argv.some((word) => OF_LIBVIRT.test(word)) ? 'libvirt' : 'other'
}

/** What its manager calls it: libvirt by its name, Proxmox by its number. One without a name is called by its process. */
export function nameOf({ pid, startTicks, line }: ForeignProcess): string {
  return line.id ?? line.name ?? `qemu-${pid}-${startTicks}`
}

/** Each name once, and none that is taken: of two the one that began later has its pid behind its name. */
export function uniqueNames(
  processes: readonly ForeignProcess[],
  taken: ReadonlySet<string>,
): Map<number, string> {
  const names = new Map<number, string>()
  const used = new Set(taken)
  const inOrder = processes.toSorted((a, b) => a.startTicks - b.startTicks || a.pid - b.pid)
  for (const process of inOrder) {
    const plain = nameOf(process)
    const name = used.has(plain) ? `${plain}-${process.pid}` : plain
    used.add(name)
    names.set(process.pid, name)
  }
  return names
}
