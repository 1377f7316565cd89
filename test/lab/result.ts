// https://testanything.org/tap-version-14-specification.html, as tap prints it.

export interface PartResult {
  name: string
  outcome: 'passed' | 'failed'
  /** How many assertions held. */
  asserts: number
  seconds: number
  /** Of a failure; of a part that passed, what is to be said beside. */
  reason?: string
}

const MAX_REASON = 160

/** The reason of a part whose lab host ended by itself, as when its kernel panics. */
export const HOST_DIED = 'the lab host ended before the part did'

/** What a part came to, from what its program has said and what went wrong with its lab host. */
export function resultOf(
  tap: string,
  problem: string | undefined,
): Omit<PartResult, 'name' | 'seconds'> {
  const lines = tap.split(/\r?\n/)
  const skipped = lines.find((line) => /^\s*ok .*# SKIP/i.test(line))
  const broken = lines.find((line) => /^\s*not ok /.test(line))
  // A test that holds others says ok once more than its assertions.
  const asserts = lines.filter((line, index) => /^\s*ok /.test(line) && !isSum(lines, index)).length
  const code = /^lab: exit (\d+)$/m.exec(tap)?.[1]
  const reason =
    broken?.trim() ??
    problem ??
    (skipped !== undefined ? `it must not be skipped here: ${skipped.trim()}` : undefined) ??
    (code === undefined ? HOST_DIED : undefined) ??
    (code !== '0' ? `its program exited with code ${code}` : undefined) ??
    (asserts === 0 ? 'it asserted nothing' : undefined)
  const outcome = reason === undefined ? 'passed' : 'failed'
  return { outcome, asserts, reason: reason && shortened(reason) }
}

/** The whole of it is in the part's output. */
function shortened(reason: string): string {
  return reason.length <= MAX_REASON ? reason : `${reason.slice(0, MAX_REASON)}…`
}

/** Whether the line sums up the more deeply indented ones before it. */
function isSum(lines: readonly string[], index: number): boolean {
  const depth = (line: string) => line.length - line.trimStart().length
  return index > 0 && depth(lines[index - 1]!) > depth(lines[index]!)
}
