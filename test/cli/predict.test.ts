import { mkdir, readFile, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type PredictOptions, prediction } from '../../src/cli/predict.ts'
import { loadConfig } from '../../src/config/load.ts'
import { endCalibration, recordCalibration } from '../../src/journal/calibrations.ts'
import { Journal } from '../../src/journal/journal.ts'
import { recordRamp, recordRampEnd, recordRampStep } from '../../src/journal/ramps.ts'
import { calibrationBasis } from '../../src/study/calibration/in-force.ts'
import { folder } from '../collector/host.ts'

const DEMAND = {
  transactionsPerSecond: { mean: 5, sigma: 10 },
  ...{ memory: '1MiB', space: '1MiB', cpu: '0%' },
}

/** The paper's disk and vm, with nothing else to bind them. */
async function stateWith(t: Test, demand?: Record<string, unknown>) {
  const disk = {
    ...{ directory: 'disk', capacity: { transactionsPerSecond: 100 } },
    target: { latency: '50ms' },
  }
  const on = (tier: string) => ({ drives: { root: { tier, size: '64MiB' } } })
  const directory = await folder(t) // a socket's path must be short
  const configFile = join(directory, 'kvmio.yaml')
  const config = {
    state: 'state',
    tiers: {
      disk,
      other: { directory: 'other' },
      spare: { directory: 'spare' },
      full: { directory: 'full' },
    },
    guests: {
      small: { ...on('disk'), ...(demand && { demand }) },
      data: on('other'),
      a: on('full'),
      b: on('full'),
    },
    density: { utilisationCap: '80%', memoryReserve: '0B' },
  }
  await writeFile(configFile, JSON.stringify(config))
  await mkdir(join(directory, 'state'))
  const ask = (tier: string, more: Partial<PredictOptions> = {}) =>
    prediction({ configFile, tier, ...more })
  return { journalFile: join(directory, 'state/journal.sqlite'), configFile, ask }
}

t.test('from what the config states', async (t) => {
  const { ask } = await stateWith(t, DEMAND)
  const { facts, prediction } = await ask('disk', { vms: 8 })
  t.equal(facts.source, 'stated')
  t.equal(facts.running, 0)
  t.strictSame(prediction.densities, [
    { method: 'paper', vms: 20, bound: 'io', headroom: 12 },
    { method: 'capped', vms: 16, bound: 'io', headroom: 8 },
    { method: 'sigma', vms: 7, bound: 'io', headroom: -1 },
    { method: 'measured' },
  ])
})

t.test('what is to stay free in a directory of the host', async (t) => {
  const { ask, configFile } = await stateWith(t, { ...DEMAND, space: '64MiB' })
  await mkdir(join(configFile, '../disk'))
  const room = async (floor: string) => {
    const config = JSON.parse(await readFile(configFile, 'utf8'))
    await writeFile(configFile, JSON.stringify({ ...config, freeSpaceFloor: floor }))
    return (await ask('disk')).facts.space!.room
  }
  const less = (await room('0B')) - (await room('2GiB'))
  const { blocks, bsize } = await statfs(configFile)
  const least = Math.min(2 ** 31, (blocks * bsize) / 10)
  t.ok(Math.abs(less - least) < least / 2, `${less} B; others write on the same disk`)
})

t.test('what a ramp has shown', async (t) => {
  const { ask, journalFile } = await stateWith(t, DEMAND)
  const journal = new Journal(journalFile)
  const ramp = recordRamp(journal, {
    ...{ tier: 'disk', guest: 'small', prediction: {} },
    manifest: { ramp: { target: 0.05 } },
  })
  recordRampStep(journal, ramp, {
    ...{ seq: 1, repetition: 1, vms: 2, verdict: 'met' },
    figures: { demand: { mean: 0.1, sigma: 0, correlation: 0 }, seconds: 60 },
  })
  recordRampEnd(journal, ramp, { measured: 6, bound: 'latency' })
  journal.close()
  const by = async (more: Partial<PredictOptions>) => {
    const { facts, prediction } = await ask('disk', more)
    const [, , sigma, measured] = prediction.densities
    return [facts.source, sigma?.vms, measured?.vms, measured?.bound]
  }
  t.strictSame(await by({}), ['stated', 7, 6, 'io'], 'the config comes first')
  t.strictSame(await by({ source: 'journal' }), ['journal', 8, 6, 'io'])
  t.strictSame(await by({ target: 0.02 }), ['stated', 7, undefined, undefined], 'another target')
})

t.test('on a tier that has been calibrated', async (t) => {
  const { ask, journalFile, configFile } = await stateWith(t, DEMAND)
  const journal = new Journal(journalFile)
  const { tiers } = await loadConfig(configFile)
  const id = recordCalibration(journal, {
    tier: 'disk',
    manifest: { tier: calibrationBasis(tiers.disk!) },
  })
  const capacity = { class: 'random-write', baseLatency: 0.0125, peak: 200, residual: 0 }
  endCalibration(journal, id, { result: { classes: [{ capacity }] } })
  journal.close()
  const tight = await ask('disk')
  const { facts, prediction } = tight
  t.strictSame(facts.service, { peak: 200, baseLatency: 0.0125 })
  t.equal(prediction.capacity, 0.75, 'at 50 ms')
  t.equal(facts.demand?.mean, 0.025, 'an operation costs half of what it was rated at')
  const looser = await ask('disk', { target: 0.2 })
  t.equal(looser.prediction.capacity, 0.9375)
  const vms = ({ prediction }: typeof looser) =>
    prediction.densities.find(({ method }) => method === 'sigma')!.vms!
  t.ok(vms(looser) > vms(tight))
})

t.test('what is not known, and what to do then', async (t) => {
  const { ask } = await stateWith(t)
  const rows: [tier: string, more: Partial<PredictOptions>, message: string][] = [
    [
      'disk',
      {},
      'it is not known what a vm of guest small asks of tier disk: state it as "demand" of the guest in the config, let a study with up to 4 of its vms run there, or ramp it (kvmio density disk --guest small)',
    ],
    [
      'other',
      {},
      'it is not known what tier other serves, and so not what its transactions cost: calibrate it (kvmio calibrate other), or state it as "capacity" of the tier in the config',
    ],
    [
      'disk',
      { source: 'journal' },
      'the journal has no run or ramp that shows what a vm of guest small asks of tier disk',
    ],
    [
      'disk',
      { source: 'live' },
      'no kvmio serves vms that show what a vm of guest small asks of tier disk',
    ],
    ['dsk', {}, 'expected a tier: disk, other, spare or full, got "dsk"; did you mean disk?'],
    ['spare', {}, 'expected --guest, since no guest has a drive on tier spare'],
    ['full', {}, 'expected --guest, since several have drives on tier full: a or b'],
    [
      'disk',
      { guest: 'smal' },
      'expected a guest: small, data, a or b, got "smal"; did you mean small?',
    ],
  ]
  for (const [tier, more, message] of rows) await t.rejects(ask(tier, more), { message })
})
