// Pressure stall information: https://docs.kernel.org/accounting/psi.html
import { join } from 'node:path'
import { codeOf, ParseError } from '../lib/errors.ts'
import { pollKernelText } from './kernel-text.ts'
import { wholeNumber } from './whole-number.ts'

/** How long tasks have waited for one resource, in seconds. */
export interface Pressure {
  /** At least one task waited. */
  waitingSeconds: number
  /** All tasks that were not idle waited at once. Of cpu since kernel 5.13, and of the whole host always 0 there. */
  stalledSeconds?: number
}

export type PressureResource = 'cpu' | 'io' | 'memory'

/** That of the whole host; undefined where the kernel keeps none. */
export function readHostPressure(
  procRoot: string,
  resource: PressureResource,
): Promise<Pressure | undefined> {
  return readPressure(join(procRoot, 'pressure', resource))
}

/**
 * A file of this form, of the host or of a cgroup. Undefined where it is not there (no CONFIG_PSI, psi=0, a cgroup that
 * is gone) or not to be read: EOPNOTSUPP says that it was switched off (psi=0; cgroup.pressure of the cgroup).
 */
export async function readPressure(file: string): Promise<Pressure | undefined> {
  try {
    return parsePressure(await pollKernelText(file), file)
  } catch (error) {
    if (ABSENT.has(codeOf(error) ?? '')) return undefined
    throw error
  }
}

/** `some avg10=0.00 avg60=0.00 avg300=0.00 total=79349`, and the same of `full`; totals are microseconds. */
export function parsePressure(text: string, file = '/proc/pressure/io'): Pressure {
  const rows = text.split('\n')
  const seconds = (kind: string): number | undefined => {
    const line = rows.findIndex((row) => row.split(' ')[0] === kind)
    if (line === -1) return undefined
    const total = rows[line]!.split(' ').find((word) => word.startsWith('total='))
    const raw = total?.slice('total='.length) ?? 'nothing'
    return wholeNumber(raw, `total of ${kind}`, file, line + 1) / 1e6
  }
  const [waitingSeconds, stalledSeconds] = [seconds('some'), seconds('full')]
  if (waitingSeconds === undefined) {
    throw new ParseError(file, rows.length, 'expected a line "some ...", found none')
  }
  return stalledSeconds === undefined ? { waitingSeconds } : { waitingSeconds, stalledSeconds }
}

const ABSENT = new Set(['ENOENT', 'ENODEV', 'EOPNOTSUPP', 'ENOTSUP'])
