import { type Command, InvalidArgumentError, Option } from 'commander'
import { COLLECTOR_NAMES } from '../collector/all.ts'
import { ConfigError } from '../lib/errors.ts'
import { LOG_FORMATS, LOG_LEVELS, type LogOptions } from '../lib/log.ts'
import { parseSeconds } from '../lib/quantities.ts'

/** The flags that every command has. */
export interface CommonOptions {
  configFile: string
  log: Pick<LogOptions, 'level' | 'format'>
}

/** The flags of commands that serve metrics, with names as exporters have them. */
export interface ServeOptions extends CommonOptions {
  listenAddress: string
  telemetryPath: string
  maxRequests: number
  /** Where dashboards are: a link on the live page. */
  grafanaUrl?: string
  /** TLS and passwords; neither without it. */
  webConfigFile?: string
  collectors: ReadonlySet<string>
  deviceInclude?: RegExp
  deviceExclude?: RegExp
  procRoot: string
  sysRoot: string
  /** Where cgroups are mounted; found in mountinfo by default. */
  cgroupRoot?: string
}

// node_exporter's default: partitions, ram disks and loop devices hide the disks. A tier's device is always shown.
const DEFAULT_EXCLUDE = '^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\\d+n\\d+p)\\d+$'

export function addCommonOptions(command: Command): Command {
  return command
    .option('--config.file <file>', 'the config', 'kvmio.yaml')
    .addOption(new Option('--log.level <level>').choices(LOG_LEVELS).default('info'))
    .addOption(new Option('--log.format <format>').choices(LOG_FORMATS).default('text'))
}

export function addServeOptions(command: Command): Command {
  addCommonOptions(command)
    .option('--web.listen-address <address>', 'where /metrics is served', '127.0.0.1:10177')
    .option('--web.config.file <file>', 'TLS and users, as exporters have it (default: neither)')
    .option('--web.telemetry-path <path>', 'the path of the metrics', '/metrics')
    .option('--web.max-requests <n>', 'scrapes at once at the most', wholeNumber, 40)
    .option('--web.grafana-url <url>', 'where Grafana is, for a link on the live page', webUrl)
    .option(
      '--collector.diskstats.device-include <regexp>',
      'devices to show, beside those of tiers',
      regExp,
    )
    .option(
      '--collector.diskstats.device-exclude <regexp>',
      `devices to leave out, unless a tier stands on them (default: ${DEFAULT_EXCLUDE})`,
      regExp,
    )
    .option('--path.procfs <path>', 'mount point of procfs', '/proc')
    .option('--path.sysfs <path>', 'mount point of sysfs', '/sys')
    .option('--path.cgroupfs <path>', 'mount point of cgroups (default: from mountinfo)')
  for (const name of COLLECTOR_NAMES) {
    command.option(`--collector.${name}`, `collector ${name} on (the default)`)
    command.option(`--no-collector.${name}`, `collector ${name} off`)
  }
  return command
}

type Flags = Record<string, unknown>

export function commonOptions(flags: Flags): CommonOptions {
  return {
    configFile: String(flags['config.file']),
    log: { level: flags['log.level'], format: flags['log.format'] } as CommonOptions['log'],
  }
}

export function serveOptions(flags: Flags): ServeOptions {
  const include = flags['collector.diskstats.deviceInclude'] as RegExp | undefined
  const exclude = flags['collector.diskstats.deviceExclude'] as RegExp | undefined
  if (include && exclude) {
    throw new ConfigError([
      '--collector.diskstats.device-include and --collector.diskstats.device-exclude cannot both be given',
    ])
  }
  return {
    ...commonOptions(flags),
    listenAddress: String(flags['web.listenAddress']),
    telemetryPath: String(flags['web.telemetryPath']),
    maxRequests: Number(flags['web.maxRequests']),
    grafanaUrl: flags['web.grafanaUrl'] as string | undefined,
    webConfigFile: flags['web.config.file'] as string | undefined,
    collectors: new Set(COLLECTOR_NAMES.filter((name) => flags[`collector.${name}`] !== false)),
    deviceInclude: include,
    deviceExclude: include ? undefined : (exclude ?? new RegExp(DEFAULT_EXCLUDE)),
    procRoot: String(flags['path.procfs']),
    sysRoot: String(flags['path.sysfs']),
    cgroupRoot: flags['path.cgroupfs'] as string | undefined,
  }
}

/** Which devices the flags let through. */
export function deviceFilter({
  deviceInclude,
  deviceExclude,
}: ServeOptions): (name: string) => boolean {
  return (name) => (deviceInclude ? deviceInclude.test(name) : !deviceExclude?.test(name))
}

function wholeNumber(text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text)
  throw new InvalidArgumentError(`expected a whole number above 0, got "${text}"`)
}

/** Seconds from `90s`, `30m`, `2h`. */
export function duration(text: string): number {
  const seconds = parseSeconds(text)
  if (seconds !== undefined && seconds > 0) return seconds
  throw new InvalidArgumentError(`expected a time such as 90s, 30m or 2h, got "${text}"`)
}

/** Of a browser's kind: another scheme in a link could be a script. */
function webUrl(text: string): string {
  if (/^https?:$/.test(URL.parse(text)?.protocol ?? '')) return text
  throw new InvalidArgumentError(
    `expected an address that begins with http: or https:, got "${text}"`,
  )
}

function regExp(text: string): RegExp {
  try {
    return new RegExp(text)
  } catch {
    throw new InvalidArgumentError(`expected a regular expression, got "${text}"`)
  }
}
