// Whether a prediction can be believed: a ramp of real guests on an emulated disk of 100 transactions per second, three
// times in different orders, beside what was predicted from four of them. And whether a ramp ends as it should when it is
// stopped, and waits for a tier that a study has. Wants a host that does nothing else.
//
//   npm run test:density -- [--hold 120] [--settle 20] [--max 24] [--repetitions 3] [--seed N] [--parts criterion,stops]
//                           [--uncalibrated] [--write docs/density.md]

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import t from 'tap'
import { densityTable } from '../../src/cli/density-table.ts'
import { allRamps } from '../../src/journal/ramps.ts'
import { openReader } from '../../src/journal/reader.ts'
import type { RampSummary } from '../../src/study/ramp/event.ts'
import {
  applianceOrLack,
  type ConfigText,
  cannotEmulate,
  guestOn,
  type Home,
  homeFor,
  kvmio,
  nothingLeft,
  processes,
  says,
  serve,
  until,
} from '../e2e/kvmio.ts'
import { commitWords, hostWords } from '../matrix/studies.ts'
import { claimsOf } from './criterion.ts'

const LIMIT_MS = 4 * 3600_000
const PATIENCE_MS = 300_000

const { values: options } = parseArgs({
  options: {
    hold: { type: 'string', default: '120' },
    settle: { type: 'string', default: '20' },
    max: { type: 'string', default: '24' },
    repetitions: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    parts: { type: 'string', default: 'criterion,stops' },
    uncalibrated: { type: 'boolean', default: false },
    write: { type: 'string' },
  },
})
const parts = options.parts.split(',')

// Written once when it is made, an image needs nothing of the filesystem later: the disk is for the vms alone.
const DISK = { filesystem: { type: 'ext4', size: '2GiB' }, emulate: { serviceTime: '10ms' } }
const CONFIG: ConfigText = {
  tiers: {
    disk: { ...DISK, target: { latency: '50ms' }, capacity: { transactionsPerSecond: 100 } },
  },
  guests: { small: guestOn('disk', {}, { size: '32MiB', preallocation: 'full' }) },
}

const skip = (await applianceOrLack()).lack || (await cannotEmulate())
t.setTimeout(LIMIT_MS)

const criterion = { skip: skip || (!parts.includes('criterion') && 'not asked for') }
t.test('sigma is right about a disk of 100 transactions per second', criterion, async (t) => {
  const home = await homeFor(t, CONFIG)
  if (!options.uncalibrated) {
    const { code, stderr } = await kvmio(home, [
      ...['calibrate', 'disk', '--web.listen-address', '127.0.0.1:0'],
      ...['--quick', '--class', 'random-read', 'random-write'],
    ]).end(LIMIT_MS)
    t.equal(code, 0, stderr)
  }
  const hold = Number(options.hold)
  const began = Date.now()
  const ramp = kvmio(home, [
    ...['density', 'disk', '--guest', 'small', '--hold', `${hold}s`, '--json'],
    ...['--settle', `${options.settle}s`, '--max', options.max, '--seed', options.seed],
    ...['--repetitions', options.repetitions],
  ])
  ramp.child.stderr?.pipe(process.stderr)
  const { code, stdout, stderr } = await ramp.end(LIMIT_MS)
  t.equal(code, 0, stderr)
  const summary: RampSummary = JSON.parse(stdout)
  const [row] = ramps(home)
  const times = { startedAt: row!.startedAt, firstEndedAt: row!.steps[0]!.endedAt, hold }
  const claims = claimsOf(summary, times)
  const words = claims.map(
    ({ text, holds, found }) => `| ${text} | ${found} | ${holds ? 'yes' : '**no**'} |`,
  )
  const minutes = Math.round((Date.now() - began) / 60_000)
  const page = `# A ramp beside its prediction

\`npm run test:density\` at commit ${commitWords()} on ${new Date().toISOString().slice(0, 10)} (${hostWords()}, TCG): ${minutes} min.

| claim | found | holds |
| --- | --- | --- |
${words.join('\n')}

\`\`\`
${densityTable(summary).trim()}
\`\`\`
`
  process.stdout.write(page)
  if (options.write !== undefined) writeFileSync(options.write, page)
  for (const { text, holds, found } of claims) t.ok(holds, `${text}: ${found}`)
  await nothingLeft(t, home)
})

const stops = { skip: skip || (!parts.includes('stops') && 'not asked for') }
const SHORT = ['--hold', '5s', '--settle', '2s', '--repetitions', '1', '--target', '30s']
const BUSY = { density: { cpuCap: '100%' } } // a test of how it ends, whatever else the host does

t.test('Ctrl-C in a step', stops, async (t) => {
  const home = await homeFor(t, { ...CONFIG, ...BUSY })
  const ramp = kvmio(home, ['density', 'disk', ...SHORT, '--max', '4'])
  await says(ramp, '[1/1, rising] 2 vms', PATIENCE_MS)
  await until('its vms', async () => (await vmsOf(home)) === 2 || undefined, PATIENCE_MS)
  ramp.kill('SIGINT')
  const { code, stdout } = await ramp.end(PATIENCE_MS)
  t.equal(code, 1)
  t.match(stdout, /\n {9}1 +1 .* met/, 'the step that had ended')
  t.match(stdout, /^ended by SIGINT\nno density was measured$/m)
  t.match(ramps(home), [{ reason: 'ended by SIGINT', steps: [{ vms: 1, verdict: 'met' }] }])
  await nothingLeft(t, home)
})

t.test('the time limit', stops, async (t) => {
  const home = await homeFor(t, { ...CONFIG, ...BUSY })
  const ramp = kvmio(home, ['density', 'disk', ...SHORT, '--max', '4', '--time-limit', '1s'])
  const { code, stdout } = await ramp.end(PATIENCE_MS)
  t.equal(code, 1)
  t.match(stdout, /^the time limit of 1 s came in repetition 1 of 1\nno density was measured$/m)
  t.match(ramps(home), [{ bound: 'time' }])
  t.notOk('measured' in ramps(home)[0]!)
})

t.test('a kvmio that serves, and a study that has the tier', stops, async (t) => {
  const loop = { guest: 'small', pause: '0s', blocks: 1, workload: { idle: { time: '20s' } } }
  const home = await homeFor(t, { ...CONFIG, ...BUSY, studies: { loop } })
  const serving = await serve(home)
  const study = kvmio(home, ['run', 'loop'])
  await says(study, 'idle at', PATIENCE_MS)
  const ramp = kvmio(home, ['density', 'disk', ...SHORT, '--max', '1'])
  await says(ramp, 'handed over to the kvmio that serves this state directory', PATIENCE_MS)
  await says(ramp, 'waiting for tier disk, which study loop has', PATIENCE_MS)
  t.equal((await study.end(PATIENCE_MS)).code, 0)
  await says(ramp, '[1/1, rising] 1 vm', PATIENCE_MS)
  const ended = await ramp.end(PATIENCE_MS)
  t.equal(ended.code, 0, ended.stderr)
  t.match(ended.stdout, /^tier disk serves at least 1 vm of small$/m)

  const other = kvmio(home, ['density', 'disk', ...SHORT, '--max', '1'])
  await says(other, '[1/1, rising] 1 vm', PATIENCE_MS)
  other.kill('SIGINT')
  t.equal((await other.end(PATIENCE_MS)).code, 1)
  await until('its vms to end', async () => (await vmsOf(home)) === 0 || undefined, PATIENCE_MS)
  await until('its end in the journal', () => ramps(home)[1]?.endedAt, PATIENCE_MS)
  t.match(ramps(home)[1], { reason: 'ended by the user', steps: [] })
  serving.kill('SIGTERM')
  t.equal((await serving.end(PATIENCE_MS)).code, 0)
  await nothingLeft(t, home)
})

function ramps({ state }: Home) {
  using journal = openReader(`${state}/journal.sqlite`)
  return allRamps(journal)
}

async function vmsOf({ state }: Home): Promise<number> {
  return (await processes(`${state}/vms/`)).length
}
