// Reads /proc/PID/smaps_rollup (kernel 4.14 and newer):
// https://docs.kernel.org/ABI/testing/procfs-smaps_rollup.html
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ParseError } from '../lib/errors.ts'
import { wholeNumber } from './whole-number.ts'

/** What a process takes of the host's memory, in bytes: a page that n processes share counts 1/n. */
export interface ProportionalMemory {
  /** Pss: what the host would have again if the process ended, give or take what is shared. */
  totalBytes: number
  /** Pss_Anon (kernel 5.13 and newer): of a qemu, the guest's memory and qemu's own heap, without its program text. */
  anonymousBytes?: number
}

/**
 * Has the kernel walk all pages of a process: 3 to 8 ms for a qemu with a guest of 192 MiB, so not for each scrape. Needs
 * the right to trace the process.
 */
export async function readProportionalMemory(
  procRoot: string,
  pid: number,
): Promise<ProportionalMemory> {
  const file = join(procRoot, String(pid), 'smaps_rollup')
  return parseProportionalMemory(await readFile(file, 'utf8'), file)
}

export function parseProportionalMemory(
  text: string,
  file = '/proc/PID/smaps_rollup',
): ProportionalMemory {
  const lines = text.split('\n')
  const kilobytes = (key: string): number | undefined => {
    const at = lines.findIndex((line) => line.startsWith(`${key}:`))
    if (at === -1) return undefined
    const raw = lines[at]!.slice(key.length + 1)
      .trim()
      .replace(/ kB$/, '')
    return 1024 * wholeNumber(raw, key, file, at + 1)
  }
  const totalBytes = kilobytes('Pss')
  if (totalBytes === undefined) {
    // Empty for a kernel thread and for a process that ends just now.
    throw new ParseError(file, lines.length, 'expected a line "Pss: ...", found none')
  }
  const anonymousBytes = kilobytes('Pss_Anon')
  return anonymousBytes === undefined ? { totalBytes } : { totalBytes, anonymousBytes }
}
