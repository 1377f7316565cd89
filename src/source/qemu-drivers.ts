// Reads which block drivers qemu has: the last lines of `qemu-img --help`. Those of the network are modules, which
// Debian has in a package of their own.
import { KvmioError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'

/** The package of Debian's and Ubuntu's that has the drivers which qemu-utils has not. */
export const EXTRA_DRIVERS = 'qemu-block-extra'

/** The drivers and formats that this host's qemu-img knows; it finds the same modules as qemu. */
export async function readQemuDrivers(): Promise<string[]> {
  return parseQemuDrivers(await run('qemu-img', ['--help'], { timeoutMs: 10_000 }))
}

export function parseQemuDrivers(help: string): string[] {
  const line = /^Supported formats: (.*)$/m.exec(help)?.[1]
  if (line === undefined) throw new KvmioError('qemu-img --help: expected its supported formats')
  return line.trim().split(/\s+/)
}
