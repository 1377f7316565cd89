import { z } from 'zod'
import { parseBytes, parseSeconds, parseShare } from '../lib/quantities.ts'

// The kinds of values that the config's keys take. A message says what is expected; problems.ts adds what was found.

const MAX_NAME = 24
/** The largest file of ext4 with blocks of 4 KiB; also far above what one study can fill. */
const MAX_DISK = '16TiB'
/** Node's timers hold 2^31 - 1 ms; a longer one would fire at once. */
const MAX_TIME = '24d'

/** Names become series labels, file names and parts of qemu's option values, so they are plain. */
export const nameOf = (longest: number) =>
  z
    .string()
    .regex(
      new RegExp(`^(?=.{1,${longest}}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$`),
      `a name of at most ${longest} lower-case letters, digits and dashes`,
    )

/** The name of a tier, a guest or a study. */
export const name = nameOf(MAX_NAME)

/** A path of a file or a directory. */
export const path = z.string('a path').regex(/^[^\0]+$/, 'a path')

/** A whole number in a range. */
export const whole = (minimum: number, maximum: number) => {
  const expected = `a whole number from ${minimum} to ${maximum}`
  return z.int(expected).min(minimum, expected).max(maximum, expected)
}

/** What is expected of a size. */
export const SIZE = 'a size with a unit, such as 64KiB, 192MiB or 4GiB'
const SHARE = 'a share in per cent, such as 5% or 2.5%'
const TIME = 'a duration with a unit, such as 10ms, 30s or 5m'

/** A size such as `4GiB`, in bytes. */
export const bytes = (minimum: string, maximum = MAX_DISK) =>
  quantity(parseBytes, SIZE, 'B|KiB|MiB|GiB|TiB', minimum, maximum)

/** A duration such as `10ms`, in seconds. */
export const seconds = (minimum = '0s', maximum = MAX_TIME) =>
  quantity(parseSeconds, TIME, 'us|ms|s|m|h|d', minimum, maximum)

/** A part of a whole such as `5%`, as a number: 0.05. */
export const share = (minimum: string, maximum: string) =>
  quantity(parseShare, SHARE, '%', minimum, maximum)

function quantity(
  parse: (text: string) => number | undefined,
  expected: string,
  units: string,
  minimum: string,
  maximum: string,
) {
  const [least, most] = [parse(minimum)!, parse(maximum)!]
  return z
    .string(expected)
    .meta({ pattern: `^\\d+(\\.\\d+)?(${units})$` })
    .transform((text, context) => {
      const value = parse(text)
      if (value !== undefined && value >= least && value <= most) return value
      const bound = (value ?? least) < least ? `at least ${minimum}` : `at most ${maximum}`
      const message = value === undefined ? expected : bound
      context.issues.push({ code: 'custom', message, input: text })
      return z.NEVER
    })
}
