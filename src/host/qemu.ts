import { KvmioError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'

// -device takes JSON since 6.2; what is older than 7.0 was never tried.
const OLDEST = 7

/** The version of qemu, `7.2.22`. Throws when there is none or it is too old. */
export async function readQemuVersion(binary: string): Promise<string> {
  return parseQemuVersion(await run(binary, ['--version'], { timeoutMs: 10_000 }), binary)
}

export function parseQemuVersion(text: string, binary: string): string {
  const version = /version (\d+(?:\.\d+)+)/.exec(text)?.[1]
  if (version === undefined) {
    throw new KvmioError(
      `${binary} --version: expected a version, got ${JSON.stringify(text.slice(0, 60))}`,
    )
  }
  if (Number.parseInt(version, 10) < OLDEST) {
    throw new KvmioError(`${binary} is version ${version}; kvmio needs ${OLDEST}.0 or newer`)
  }
  return version
}
