import { type Command, InvalidArgumentError, Option } from 'commander'
import { UsageError } from '../lib/errors.ts'
import { parseSeconds } from '../lib/quantities.ts'
import { type DensityOptions, requestOf } from './density.ts'
import { duration, serveOptions } from './options.ts'

/** The flags of a ramp. */
export function addDensityOptions(command: Command): Command {
  return command
    .option(
      '--guest <guest>',
      'a guest of the config; the only one with a drive on the tier by default',
    )
    .option(
      '--workload <study>',
      'what its vms do: as in this study; random bursts of writes by default',
    )
    .option(
      '--target <latency>',
      "mean latency of a window; the tier's target by default",
      duration,
    )
    .addOption(
      new Option('--start <how>', 'one after another, or all at once')
        .choices(['staggered', 'storm'])
        .default('staggered'),
    )
    .option('--hold <time>', 'how long each step is watched', duration, 300)
    .option('--window <time>', 'what is judged by its mean', windowTime, 1)
    .option('--settle <time>', 'how long all vms are at work before that', duration, 30)
    .option('--repetitions <n>', 'climbs, each in another order', whole, 3)
    .option('--max <n>', 'vms at the most', whole, 64)
    .option('--time-limit <time>', 'no step ends later', duration, 6 * 3600)
    .option('--seed <n>', 'of the orders; drawn by default', seed)
    .option('--json', 'as JSON')
}

type Flags = Record<string, unknown>

export function densityOptions(tier: string, flags: Flags): DensityOptions {
  for (const name of ['vms', 'source'])
    if (flags[name] !== undefined) throw new UsageError(`--${name} is for --predict`)
  return {
    ...serveOptions(flags),
    ...requestOf({ ...flags, tier }),
    json: flags.json === true,
  }
}

/** The sampler reads once a second. */
function windowTime(text: string): number {
  const seconds = parseSeconds(text)
  if (seconds !== undefined && seconds >= 1 && Number.isInteger(seconds)) return seconds
  throw new InvalidArgumentError(`expected whole seconds such as 1s or 10s, got "${text}"`)
}

const MOST_VMS = 500

function whole(text: string): number {
  const value = Number(text)
  if (/^[1-9]\d*$/.test(text) && value <= MOST_VMS) return value
  throw new InvalidArgumentError(`expected a whole number from 1 to ${MOST_VMS}, got "${text}"`)
}

function seed(text: string): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value < 2 ** 31) return value
  throw new InvalidArgumentError(`expected a whole number below 2^31, got "${text}"`)
}
