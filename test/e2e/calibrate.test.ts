import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { calibrationsOf } from '../../src/journal/calibrations.ts'
import { openReader } from '../../src/journal/reader.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import {
  cannotEmulate,
  type Home,
  homeFor,
  kvmio,
  LOCAL,
  nothingLeft,
  processes,
  SLOW,
  says,
  scrape,
  serve,
  until,
} from './kvmio.ts'

const noFio = (await missingPrograms(['qemu-system-x86_64', 'fio', 'setpriv'])) ?? false
const onLocal = { skip: noFio, buffered: true }
const onSlow = { skip: noFio || (await cannotEmulate()), buffered: true }
t.jobs = 2

const CONFIG = {
  tiers: { local: LOCAL, slow: { ...SLOW, target: { latency: '20ms' } } },
  guests: {},
  studies: {},
}
const LOCAL_ONLY = { ...CONFIG, tiers: { local: LOCAL } }
const LIMIT_MS = 120_000

const calibrate = (home: Home, ...words: string[]) =>
  kvmio(home, ['calibrate', ...words, '--quick', '--class', 'random-read'])

function rows({ state }: Home, tier: string) {
  using journal = openReader(join(state, 'journal.sqlite'))
  return calibrationsOf(journal, tier)
}

async function filesOn({ state }: Home): Promise<string[]> {
  return await readdir(join(state, 'local'))
}

t.test('an emulated disk', onSlow, async (t) => {
  const home = await homeFor(t, CONFIG)
  const { code, stdout, stderr } = await calibrate(home, 'slow').end(LIMIT_MS)
  t.equal(code, 0, stderr)
  t.match(stdout, /^tier slow, quick, fio-\d\S* on 64 MiB$/m)
  t.match(stdout, /^class +R0 ms +X_inf \/s +at 20 ms \/s +cost ms +residual$/m)
  const [, latency, peak] = /^random-read +([\d.]+) +([\d.]+) +/m.exec(stdout) ?? []
  t.ok(Number(latency) > 4.5, `R0 is ${latency} ms: no request of this disk takes less than 5`)
  t.ok(Number(peak) > 0 && Number(peak) < 240, `X_inf is ${peak}: it cannot serve more than 200`)
  for (const depth of [1, 4, 16])
    t.match(stderr, new RegExp(`^ {2}random-read depth ${depth}: [\\d.]+/s, mean latency `, 'm'))
  t.match(rows(home, 'slow'), [{ result: { classes: [{ capacity: { class: 'random-read' } }] } }])
  await nothingLeft(t, home)
})

t.test(
  'handed over: shown at once, ended with its client, ended with serve',
  onLocal,
  async (t) => {
    const home = await homeFor(t, LOCAL_ONLY)
    const serving = await serve(home)
    const { code, stdout, stderr } = await calibrate(home, 'local').end(LIMIT_MS)
    t.equal(code, 0, stderr)
    t.match(stderr, 'handed over to the kvmio that serves this state directory\n')
    const peak = Number(/^random-read +[\d.]+ +([\d.]+) +/m.exec(stdout)?.[1])
    const labels = { tier: 'local', source: 'calibrated', class: 'random-read' }
    const page = await scrape(serving)
    const shown = page.value('kvmio_tier_peak_transactions_per_second', labels)
    t.ok(peak > 0 && Math.abs(shown! - peak) < 0.1, `${shown} is what was printed: ${peak}`)
    t.ok(Math.abs(page.value('kvmio_tier_operation_cost_seconds', labels)! * shown! - 1) < 1e-9)
    t.ok(page.value('kvmio_tier_calibration_time_seconds', { tier: 'local' }))

    const second = calibrate(home, 'local')
    await says(second, 'random-read depth 1')
    second.kill('SIGINT')
    const ended = await second.end(LIMIT_MS)
    t.equal(ended.code, 1)
    t.match(
      ended.stderr,
      'The calibration of tier local was given up: nothing of it is in force.\n',
    )
    await until('the calibration to end', () => rows(home, 'local').every(({ endedAt }) => endedAt))
    t.match(rows(home, 'local')[1], {
      reason: 'it was ended before it was done',
      result: undefined,
    })
    t.strictSame(await filesOn(home), [])

    const third = calibrate(home, 'local')
    await says(third, 'random-read depth 1')
    serving.kill('SIGKILL')
    t.match((await third.end(LIMIT_MS)).stderr, 'ended before the work did\n')
    const [file] = await filesOn(home)
    const again = await serve(home)
    t.match(again.said(), `local/${file}, left by a kvmio that was killed`)
    t.strictSame(await filesOn(home), [])
    const later = await scrape(again)
    t.equal(later.value('kvmio_tier_peak_transactions_per_second', labels), shown, 'as before')
    t.match(rows(home, 'local')[2], { reason: 'kvmio was killed', result: undefined })
    again.kill('SIGTERM')
    await again.end(LIMIT_MS)
    await nothingLeft(t, home)
  },
)

t.test('a kvmio that is killed, and clean', onLocal, async (t) => {
  const home = await homeFor(t, LOCAL_ONLY)
  const killed = calibrate(home, 'local')
  await says(killed, 'random-read depth 1')
  killed.kill('SIGKILL')
  await killed.end()
  await until('fio to die with it', async () => (await processes(home.state)).length === 0)
  const [file, ...more] = await filesOn(home)
  t.match(file, /^kvmio-[0-9a-f]{8}\.calibration$/)
  t.strictSame(more, [])
  const { stdout } = await kvmio(home, ['clean']).end(LIMIT_MS)
  t.match(stdout, `local/${file}\n`)
  t.match(stdout, 'abandoned a calibration of tier local\n')
  t.strictSame(await filesOn(home), [])
  t.match(rows(home, 'local'), [{ reason: 'ended by kvmio clean', result: undefined }])
  await nothingLeft(t, home)
})

t.test('what cannot be, and a limit', onLocal, async (t) => {
  const home = await homeFor(t, LOCAL_ONLY)
  const cases: [words: string[], message: string][] = [
    [['lokal'], `no tier lokal; ${home.configFile} has local; did you mean local?\n`],
    [
      ['local', '--class', 'random-raed'],
      "error: option '--class <class...>' argument 'random-raed' is invalid. Allowed choices are random-read, random-write, sequential-read, sequential-write, synced-write.\n",
    ],
  ]
  for (const [words, message] of cases) {
    const ended = await kvmio(home, ['calibrate', ...words]).end(LIMIT_MS)
    t.equal(ended.stderr, message)
    t.equal(ended.code, 2)
  }
  const limit = await kvmio(home, ['calibrate', 'local', '--time-limit', '1s']).end(LIMIT_MS)
  t.match(limit.stderr, /the time limit of 1 s was reached; nothing was measured; not measured: /)
  t.equal(limit.code, 1)
  t.strictSame(await filesOn(home), [])
})
