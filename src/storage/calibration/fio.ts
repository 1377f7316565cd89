import { KvmioError } from '../../lib/errors.ts'
import { run } from '../../lib/process.ts'
import { realTimePrefix } from '../real-time.ts'
import { type FioOutput, parseFioOutput } from './fio-output.ts'

// What a disk that serves one request in a second may still have to end.
const GRACE_SECONDS = 60

/** What a calibration needs of the host's programs. */
export const FIO_PROGRAMS = ['fio', 'setpriv']

/**
 * Runs one job of fio to its end. It dies with kvmio: what it works on is to be removed then. On a busy host it has
 * real-time priority, or it would measure how long it waits for a processor.
 */
export async function runFio(
  args: readonly string[],
  { limitSeconds, signal }: { limitSeconds: number; signal: AbortSignal },
): Promise<FioOutput> {
  const prefix = await realTimePrefix(() => {})
  const text = await run('setpriv', ['--pdeathsig', 'KILL', ...prefix, 'fio', ...args], {
    name: 'fio',
    timeoutMs: Math.ceil((limitSeconds + GRACE_SECONDS) * 1000),
    signal,
  })
  signal.throwIfAborted()
  if (text.trim() === '') throw new KvmioError('fio ended without a word')
  return parseFioOutput(text)
}
