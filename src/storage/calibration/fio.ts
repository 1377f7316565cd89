import { KvmioError } from '../../lib/errors.ts'
import { run } from '../../lib/process.ts'
import { type FioOutput, parseFioOutput } from './fio-output.ts'

// What a disk that serves one request in a second may still have to end.
const GRACE_SECONDS = 60

/** What a calibration needs of the host's programs. */
export const FIO_PROGRAMS = ['fio', 'setpriv']

/** Runs one job of fio to its end. It dies with kvmio: what it works on is to be removed then. */
export async function runFio(
  args: readonly string[],
  { limitSeconds, signal }: { limitSeconds: number; signal: AbortSignal },
): Promise<FioOutput> {
  const text = await run('setpriv', ['--pdeathsig', 'KILL', 'fio', ...args], {
    name: 'fio',
    timeoutMs: (limitSeconds + GRACE_SECONDS) * 1000,
    signal,
  })
  signal.throwIfAborted()
  if (text.trim() === '') throw new KvmioError('fio ended without a word')
  return parseFioOutput(text)
}
