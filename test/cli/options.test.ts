import { Command } from 'commander'
import t from 'tap'
import {
  addServeOptions,
  commonOptions,
  deviceFilter,
  duration,
  type ServeOptions,
  serveOptions,
} from '../../src/cli/options.ts'
import { COLLECTOR_NAMES } from '../../src/collector/all.ts'
import { run } from '../../src/lib/process.ts'

/** What a command would be called with. */
function parse(...args: string[]): ServeOptions {
  const command = addServeOptions(new Command('serve')).exitOverride()
  command.configureOutput({ writeErr() {} })
  return serveOptions(command.parse(args, { from: 'user' }).opts())
}

t.test('defaults', async (t) => {
  const { deviceExclude, ...options } = parse()
  t.strictSame(options, {
    configFile: 'kvmio.yaml',
    log: { level: 'info', format: 'text' },
    listenAddress: '127.0.0.1:10177',
    telemetryPath: '/metrics',
    grafanaUrl: undefined,
    maxRequests: 40,
    webConfigFile: undefined,
    collectors: new Set(COLLECTOR_NAMES),
    deviceInclude: undefined,
    procRoot: '/proc',
    sysRoot: '/sys',
    cgroupRoot: undefined,
  })
  t.ok(deviceExclude)
})

t.test('each flag arrives', async (t) => {
  const given = [
    ...['--config.file', '/etc/kvmio.yaml', '--log.level', 'debug', '--log.format=json'],
    ...['--web.listen-address=:9', '--web.telemetry-path=/m', '--web.max-requests=3'],
    '--web.grafana-url=https://grafana.lab/d/kvmio',
    '--web.config.file=/etc/kvmio/web.yaml',
    ...['--path.procfs=/host/proc', '--path.sysfs=/host/sys', '--path.cgroupfs=/host/cgroup'],
  ]
  t.match(parse(...given), {
    configFile: '/etc/kvmio.yaml',
    log: { level: 'debug', format: 'json' },
    listenAddress: ':9',
    telemetryPath: '/m',
    maxRequests: 3,
    grafanaUrl: 'https://grafana.lab/d/kvmio',
    webConfigFile: '/etc/kvmio/web.yaml',
    procRoot: '/host/proc',
    sysRoot: '/host/sys',
    cgroupRoot: '/host/cgroup',
  })
  t.strictSame(commonOptions({ 'config.file': 'x', 'log.level': 'warn', 'log.format': 'json' }), {
    configFile: 'x',
    log: { level: 'warn', format: 'json' },
  })
})

t.test('collectors are on unless they are switched off', async (t) => {
  for (const name of COLLECTOR_NAMES) {
    const without = COLLECTOR_NAMES.filter((other) => other !== name)
    t.strictSame(parse(`--no-collector.${name}`).collectors, new Set(without))
    t.strictSame(parse(`--collector.${name}`).collectors, new Set(COLLECTOR_NAMES))
  }
  const { collectors } = parse('--no-collector.iostat', '--no-collector.host')
  t.equal(collectors.size, COLLECTOR_NAMES.length - 2)
})

t.test('which devices are shown', async (t) => {
  const devices = [
    ...['vda', 'vda1', 'sda', 'sda12', 'nvme0n1', 'nvme0n1p2', 'loop0', 'zram0', 'ram1', 'fd0'],
    ...['dm-0', 'md127', 'nbd0'],
  ]
  const shown = (...args: string[]) => devices.filter(deviceFilter(parse(...args)))
  t.strictSame(shown(), ['vda', 'sda', 'nvme0n1', 'dm-0', 'md127', 'nbd0'])
  const flag = '--collector.diskstats.device'
  t.strictSame(shown(`${flag}-include=^(loop|zram)`), ['loop0', 'zram0'])
  t.equal(parse(`${flag}-include=x`).deviceExclude, undefined, 'one filter, not two')
  t.strictSame(shown(`${flag}-exclude=\\d$`), ['vda', 'sda'])
})

const flag = '--collector.diskstats.device'
const BAD: [args: string[], message: string][] = [
  [
    [`${flag}-include=a`, `${flag}-exclude=b`],
    `${flag}-include and ${flag}-exclude cannot both be given`,
  ],
  [
    [`${flag}-include=(`],
    `error: option '${flag}-include <regexp>' argument '(' is invalid. expected a regular expression, got "("`,
  ],
  ...['0', '-1', '1.5', 'x', ''].map((n): [string[], string] => [
    [`--web.max-requests=${n}`],
    `error: option '--web.max-requests <n>' argument '${n}' is invalid. expected a whole number above 0, got "${n}"`,
  ]),
  ...['grafana.lab', '/d', 'javascript:alert(1)', ''].map((url): [string[], string] => [
    [`--web.grafana-url=${url}`],
    `error: option '--web.grafana-url <url>' argument '${url}' is invalid. expected an address that begins with http: or https:, got "${url}"`,
  ]),
  [
    ['--log.level=loud'],
    "error: option '--log.level <level>' argument 'loud' is invalid. Allowed choices are debug, info, warn, error.",
  ],
]
t.test('what cannot be', async (t) => {
  for (const [args, message] of BAD) t.throws(() => parse(...args), { message }, args.join(' '))
})

t.test('a duration', async (t) => {
  t.strictSame(['90s', '30m', '2h', '500ms'].map(duration), [90, 1800, 7200, 0.5])
  for (const text of ['soon', '0s', '5', '-1s', ''])
    t.throws(() => duration(text), {
      message: `expected a time such as 90s, 30m or 2h, got "${text}"`,
    })
})

t.test('the program says so too, and ends with 2', async (t) => {
  const main = new URL('../../src/main.ts', import.meta.url).pathname
  const [args, message] = BAD[0]!
  await t.rejects(run(process.execPath, [main, 'serve', ...args], { name: 'kvmio' }), {
    message: `kvmio exited with code 2:\n  ${message}`,
  })
})
