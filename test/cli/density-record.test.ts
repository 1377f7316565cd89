import t from 'tap'
import { createDensityReading } from '../../src/cli/density-record.ts'
import { type Config, parseConfig } from '../../src/config/load.ts'
import { recordRamp, recordRampEnd, recordRampStep } from '../../src/journal/ramps.ts'
import { emptyJournal } from '../collector/host.ts'

const MIB = 2 ** 20

function configOf(mean: number): Config {
  const text = JSON.stringify({
    tiers: { disk: { directory: '/disk', capacity: { transactionsPerSecond: 100 } } },
    guests: {
      small: {
        drives: { root: { tier: 'disk', size: '64MiB' } },
        demand: { transactionsPerSecond: { mean } },
      },
      bare: { memory: '256MiB', drives: { root: { tier: 'disk', size: '64MiB' } } },
    },
    density: { zScore: 2 },
  })
  return parseConfig(text, '/kvmio.yaml')
}

t.test('what the config and the journal say, read once a minute', async (t) => {
  const journal = await emptyJournal(t)
  const clock = { now: 0 }
  let config = configOf(5)
  let reads = 0
  const counted = {
    get: journal.get.bind(journal),
    all: (...words: Parameters<typeof journal.all>) => {
      reads += 1
      return journal.all(...words)
    },
  }
  const read = createDensityReading(
    () => config,
    counted,
    () => clock.now,
  )
  t.strictSame(read(), {
    settings: { zScore: 2, utilisationCap: 0.7, cpuCap: 0.8, memoryReserve: 1024 * MIB },
    guests: [
      { guest: 'small', memoryBytes: 320 * MIB },
      { guest: 'bare', memoryBytes: 384 * MIB },
    ],
    demands: [
      { tier: 'disk', guest: 'small', source: 'stated', mean: 0.05, sigma: 0.1, correlation: 0 },
    ],
    ramps: [],
  })

  const ramp = (guest: string) => {
    const densities = [
      { method: 'paper', vms: 25 },
      { method: 'capped' },
      { method: 'measured', vms: 3 },
    ]
    const id = recordRamp(journal, {
      ...{ tier: 'disk', guest, manifest: {} },
      prediction: { densities },
    })
    recordRampStep(journal, id, {
      ...{ seq: 1, repetition: 1, vms: 2, verdict: 'met' },
      figures: {
        ...{ demand: { mean: 0.04, sigma: 0.02, correlation: 0.5 }, seconds: 60 },
        memory: 300 * MIB,
      },
    })
    recordRampEnd(journal, id, { measured: 8, bound: 'latency' })
  }
  ramp('small')
  ramp('gone')
  const before = reads
  clock.now = 59_999
  t.strictSame(read().ramps, [])
  t.equal(reads, before, 'the journal is not asked')
  clock.now = 60_000
  const { ramps, demands, guests } = read()
  t.strictSame(ramps, [
    { tier: 'disk', guest: 'small', measured: 8, predicted: [{ method: 'paper', vms: 25 }] },
  ])
  t.match(demands[0], { source: 'stated', mean: 0.05 })
  t.match(demands[1], { guest: 'small', source: 'journal', mean: 0.04, correlation: 0.5 })
  t.equal(demands.length, 2)
  t.strictSame(guests[0], { guest: 'small', memoryBytes: 300 * MIB })

  config = configOf(7)
  t.equal(read().demands[0]?.mean, 0.07, 'a config that has changed is read at once')
})
