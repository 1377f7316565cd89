import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command } from 'commander'
import t from 'tap'
import { type DensityOptions, RAMP, rampDensity } from '../../src/cli/density.ts'
import { addDensityOptions, densityOptions } from '../../src/cli/density-options.ts'
import { densityTable, stepLine } from '../../src/cli/density-table.ts'
import { addServeOptions } from '../../src/cli/options.ts'
import { addPredictOptions } from '../../src/cli/predict-options.ts'
import { silentLog } from '../../src/lib/log.ts'
import type { RampEvent, RampStepSummary, RampSummary } from '../../src/study/ramp/event.ts'
import { folder } from '../collector/host.ts'
import { golden } from '../golden.ts'

/** What the command line is read as. */
function parse(...args: string[]): DensityOptions {
  const command = addPredictOptions(addDensityOptions(addServeOptions(new Command('density'))))
  command.exitOverride().configureOutput({ writeErr() {} })
  return densityOptions('slow', command.parse(args, { from: 'user' }).opts())
}

t.test('flags', async (t) => {
  t.match(parse('--guest', 'small'), {
    ...{ tier: 'slow', guest: 'small', workload: undefined, target: undefined, seed: undefined },
    ...{ start: 'staggered', hold: 300, window: 1, settle: 30, repetitions: 3, max: 64 },
    ...{ timeLimit: 21_600, json: false },
  })
  const given = [
    ...['--guest=small', '--workload=demo', '--target=20ms', '--start=storm', '--hold=2m'],
    ...['--window=10s', '--settle=1m', '--repetitions=5', '--max=24', '--time-limit=45m'],
    ...['--seed=7', '--json'],
  ]
  t.match(parse(...given), {
    ...{ workload: 'demo', target: 0.02, start: 'storm', hold: 120, window: 10, settle: 60 },
    ...{ repetitions: 5, max: 24, timeLimit: 2700, seed: 7, json: true },
  })
})

function thrownBy(work: () => unknown): Error {
  try {
    work()
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing was thrown')
}

const BAD_FLAGS: [string, string][] = [
  ['--hold=5', 'expected a time such as 90s, 30m or 2h, got "5"'],
  ['--window=500ms', 'expected whole seconds such as 1s or 10s, got "500ms"'],
  ['--window=1.5s', 'expected whole seconds such as 1s or 10s, got "1.5s"'],
  ['--repetitions=0', 'expected a whole number from 1 to 500, got "0"'],
  ['--max=501', 'expected a whole number from 1 to 500, got "501"'],
  ['--seed=-1', 'expected a whole number below 2^31, got "-1"'],
  ['--start=slowly', 'Allowed choices are staggered, storm.'],
  ['--vms=3', '--vms is for --predict'],
  ['--source=live', '--source is for --predict'],
]

for (const [flag, message] of BAD_FLAGS) {
  t.test(flag, async (t) => {
    const { message: told } = thrownBy(() => parse('--guest=small', flag))
    t.ok(told.includes(message), told)
  })
}

const DRIVE = { size: '64MiB', format: 'raw' }
const CONFIG = {
  state: 'state',
  tiers: {
    slow: { directory: 'slow', target: { latency: '50ms' } },
    plain: { directory: 'plain' },
  },
  guests: {
    small: { drives: { root: { ...DRIVE, tier: 'slow' } } },
    other: { drives: { root: { ...DRIVE, tier: 'plain' } } },
    third: { drives: { root: { ...DRIVE, tier: 'plain' } } },
  },
}

const BAD_ASKS: [string, string[], string][] = [
  ['quick', [], 'expected a tier: slow or plain, got "quick"'],
  [
    'slow',
    ['--guest=smal'],
    'expected a guest: small, other or third, got "smal"; did you mean small?',
  ],
  ['slow', ['--guest=other'], 'guest other has no drive on tier slow; its drives are on plain'],
  ['plain', [], 'expected --guest, since several have drives on tier plain: other or third'],
  [
    'plain',
    ['--guest=other'],
    'tier plain has no target latency; give one with --target, or as "target" in the config',
  ],
  ['slow', ['--workload=none'], 'no study none; CONFIG has two'],
]

t.test('what cannot be ramped is told before anything is started', async (t) => {
  const directory = await folder(t)
  const configFile = join(directory, 'kvmio.yaml')
  const config = CONFIG
  for (const [tier, words, message] of BAD_ASKS) {
    const needsStudy = message.includes('has two')
    const study = { two: { guest: 'small', workload: { idle: {} } } }
    await writeFile(configFile, JSON.stringify(needsStudy ? { ...config, studies: study } : config))
    const options = { ...parse(...words), tier, configFile }
    const work = rampDensity(options, silentLog, AbortSignal.timeout(10_000))
    await t.rejects(work, { message: message.replace('CONFIG', configFile) }, message)
  }
})

t.test('what another kvmio asks for is looked at', async (t) => {
  const request = {
    ...{ tier: 'slow', guest: 'small', start: 'storm', hold: 1, window: 1, settle: 1 },
    ...{ repetitions: 1, max: 1, timeLimit: 1 },
  }
  t.match(RAMP.parse(request), request)
  t.match(RAMP.parse({ ...request, seed: 0, target: 0.1 }), { seed: 0, target: 0.1 })
  const wrong: [Record<string, unknown>, string][] = [
    [{ tier: 1 }, 'tier: expected a name, got 1'],
    [{ guest: undefined }, 'guest: expected a name, got undefined'],
    [{ workload: 1 }, 'workload: expected the name of a study, got 1'],
    [{ start: 'x' }, 'start: expected staggered or storm, got "x"'],
    [{ hold: '1s' }, 'hold: expected a number above 0, got "1s"'],
    [{ max: 0 }, 'max: expected a number above 0, got 0'],
    [{ target: -1 }, 'target: expected a number, got -1'],
  ]
  for (const [keys, message] of wrong)
    t.throws(() => RAMP.parse({ ...request, ...keys }), { message })
  t.throws(() => RAMP.parse(undefined), { message: 'tier: expected a name, got undefined' })
})

const step = (
  repetition: number,
  vms: number,
  met: number,
  more: Partial<RampStepSummary> = {},
): RampStepSummary => ({
  seq: 1,
  repetition,
  vms,
  verdict: met < 0.95 ? 'missed' : 'met',
  figures: {
    seconds: 300,
    vms: [
      { vm: 'a', windows: 190, met: 1, latency: 0.02, p99: 0.08, transactionsPerSecond: 4.2 },
      { vm: 'b', windows: 200, met, latency: 0.03, p99: 0.0612, transactionsPerSecond: 3.9 },
    ],
    device: { device: 'loop3', transactionsPerSecond: 8.4, latency: 0.0113, queue: 0.0949 },
    cpu: { busy: 0.104, stolen: 0 },
    steady: true,
  },
  ...more,
})

const STEPS = [
  step(1, 1, 1),
  step(1, 2, 0.96),
  step(1, 4, 0.3),
  step(1, 3, 0, { verdict: 'void', figures: { reason: 'vm a went off' } }),
  step(1, 3, 0.94),
  step(2, 3, 0.96, { figures: { ...step(2, 3, 0.96).figures, steady: false, again: 2 } }),
]

const SUMMARY: RampSummary = {
  ramp: 3,
  tier: 'slow',
  guest: 'small',
  workload: 'that of study demo',
  target: 0.05,
  seed: 7,
  learned: {
    vms: 4,
    seconds: 300,
    demand: { mean: 0.0412, sigma: 0.039, correlation: 0 },
    transactionsPerSecond: 4.01,
    memory: 150 * 2 ** 20,
  },
  densities: [
    { method: 'paper', vms: 24, bound: 'io' },
    { method: 'sigma', vms: 2, bound: 'io' },
    { method: 'capped' },
  ],
  steps: STEPS,
  repetitions: [
    { order: 'rising', vms: 2, bound: 'latency' },
    { order: 'falling', vms: 3, bound: 'latency' },
  ],
  measured: 2,
  bound: 'latency',
}

t.test('the table of a ramp', async (t) => {
  golden(t, 'density.txt', densityTable(SUMMARY))
})

t.test('a ramp that was stopped', async (t) => {
  const limited = densityTable({ ...SUMMARY, bound: 'memory', repetitions: [] })
  t.match(limited, /^tier slow serves at least 2 vms of small$/m)
  t.notMatch(limited, /^sigma .*1\.00/m, 'what is at least so much is no measure')
  const busy = step(1, 1, 1, { verdict: 'void', figures: { ...STEPS[0]!.figures, limit: 'cpu' } })
  t.match(densityTable({ ...SUMMARY, steps: [busy] }), / void, cpu$/m)
  const { measured: _, bound: __, ...rest } = SUMMARY
  const ended = densityTable({ ...rest, repetitions: [], reason: 'ended by SIGINT' })
  t.match(ended, /^ended by SIGINT\nno density was measured$/m)
  t.notMatch(ended, /^measured/m)
  const nothing = { ...rest, learned: { vms: 0, seconds: 0 }, densities: [], steps: [] }
  t.match(densityTable({ ...nothing, ramp: undefined, repetitions: [] }), /no room for one vm/)
})

t.test('lines of progress', async (t) => {
  const lines = (events: RampEvent[]) => events.map(stepLine)
  const limit = { figures: { ...step(1, 8, 0.9).figures, limit: 'cpu' }, verdict: 'void' } as const
  t.strictSame(
    lines([
      { type: 'waiting', for: 'tier slow, which study demo has' },
      { type: 'learning', vms: 1 },
      { type: 'predicted', learned: SUMMARY.learned, densities: SUMMARY.densities },
      { type: 'predicted', learned: SUMMARY.learned, densities: [] },
      { type: 'step-started', repetition: 1, of: 3, order: 'rising', vms: 2 },
      ...STEPS.slice(1, 4).map((one) => ({ type: 'step-ended' as const, ...one })),
      { type: 'step-ended', ...step(1, 8, 0.9, limit) },
    ]),
    [
      'waiting for tier slow, which study demo has',
      'learning what a vm asks from 1 vm',
      'predicted: paper 24, sigma 2',
      'predicted: nothing',
      '[1/3, rising] 2 vms',
      '  met: the worst vm in 96 % of its windows, mean 30.0 ms',
      '  missed: the worst vm in 30 % of its windows, mean 30.0 ms',
      '  void: vm a went off',
      "  void: the host's processors are busier than they may be",
    ],
  )
})
