import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import * as catalog from '../../src/metrics/catalog.ts'
import { type Distribution, type Family, type Sample, sample } from '../../src/metrics/family.ts'
import { CONTENT_TYPE, createOwnMetrics } from '../../src/metrics/render.ts'
import { findTool, lacking } from '../tools.ts'
import { expectedFamilies, pageOf, parsePage } from './exposition.ts'

const temperature: Family<'room'> = {
  name: 'test_temperature_celsius',
  type: 'gauge',
  help: 'How warm it is.',
  labels: ['room'],
}
const latency: Family<'drive'> = {
  name: 'test_latency_seconds',
  type: 'histogram',
  help: 'How long it took.',
  labels: ['drive'],
}
const up: Family<never> = { name: 'test_up', type: 'gauge', help: '1.', labels: [] }

t.test('a page groups each family under one header', async (t) => {
  const page = pageOf([
    sample(temperature, { room: 'attic' }, 31.5),
    sample(up, {}, 1),
    sample(temperature, { room: 'cellar' }, -4),
  ])
  t.equal(
    page,
    `# HELP test_temperature_celsius How warm it is.
# TYPE test_temperature_celsius gauge
test_temperature_celsius{room="attic"} 31.5
test_temperature_celsius{room="cellar"} -4
# HELP test_up 1.
# TYPE test_up gauge
test_up 1
`,
  )
})

t.test('a histogram is cumulative and ends with +Inf, sum and count', async (t) => {
  const value = { bounds: [0.00001, 0.01, 1], counts: [0, 3, 7], count: 8, sum: 12.25 }
  const page = pageOf([sample(latency, { drive: 'root' }, value)])
  t.strictSame(page.split('\n').slice(2, -1), [
    'test_latency_seconds_bucket{drive="root",le="1e-05"} 0',
    'test_latency_seconds_bucket{drive="root",le="0.01"} 3',
    'test_latency_seconds_bucket{drive="root",le="1"} 7',
    'test_latency_seconds_bucket{drive="root",le="+Inf"} 8',
    'test_latency_seconds_sum{drive="root"} 12.25',
    'test_latency_seconds_count{drive="root"} 8',
  ])
})

t.test('le is spelled as Go spells it', async (t) => {
  const spelled: [number, string][] = [
    [0, '0'],
    [0.0001, '0.0001'],
    [0.00005, '5e-05'],
    [0.00000125, '1.25e-06'],
    [2.5, '2.5'],
    [123456, '123456'],
    [999999.5, '999999.5'],
    [1000000, '1e+06'],
    [16384000, '1.6384e+07'],
    [1e100, '1e+100'],
    [-1000000, '-1e+06'],
  ]
  const bounds = spelled.map(([bound]) => bound)
  const counts = bounds.map(() => 0)
  const family: Family<never> = { ...latency, labels: [] }
  const page = pageOf([sample(family, {}, { bounds, counts, count: 0, sum: 0 })])
  const found = [...page.matchAll(/le="([^"]*)"/g)].map(([, le]) => le)
  t.strictSame(found, [...spelled.map(([, text]) => text), '+Inf'])
})

t.test('what is not a plain number is spelled as the format has it', async (t) => {
  const values = [Number.NaN, Infinity, -Infinity, 1e21, 5e-324, 2 ** 53]
  const page = pageOf(values.map((value, i) => sample(temperature, { room: `${i}` }, value)))
  t.strictSame(
    page
      .split('\n')
      .slice(2, -1)
      .map((line) => line.split(' ')[1]),
    ['NaN', '+Inf', '-Inf', '1e+21', '5e-324', '9007199254740992'],
  )
})

t.test('label values and help are escaped', async (t) => {
  const family = { ...temperature, help: 'a \\ and\na "quote"' }
  t.equal(
    pageOf([sample(family, { room: 'C:\\ "x"\ny' }, 1)]),
    `# HELP test_temperature_celsius a \\\\ and\\na "quote"
# TYPE test_temperature_celsius gauge
test_temperature_celsius{room="C:\\\\ \\"x\\"\\ny"} 1
`,
  )
})

t.test('families come in the order of the catalog, unknown ones last', async (t) => {
  const page = pageOf([
    sample(up, {}, 1),
    sample(catalog.configReloadSuccessful, {}, 1),
    sample(catalog.host.cpus, {}, 2),
    sample(catalog.device.ioNow, { device: 'sda' }, 0),
  ])
  t.strictSame(
    parsePage(page).map(({ name }) => name),
    ['kvmio_device_io_now', 'kvmio_host_cpus', 'kvmio_config_last_reload_successful', 'test_up'],
  )
})

t.test(
  'of two samples with the same labels the first is printed, the second reported',
  async (t) => {
    const reported: string[] = []
    const page = pageOf(
      [
        sample(temperature, { room: 'attic' }, 1),
        sample(temperature, { room: 'attic' }, 2),
        sample(up, {}, 3),
        sample(up, {}, 4),
      ],
      (series) => reported.push(series),
    )
    t.match(page, /attic"} 1\n/)
    t.notMatch(page, /attic"} 2\n/)
    t.strictSame(reported, ['test_temperature_celsius{room="attic"}', 'test_up'])
  },
)

t.test('any page parses back to the same samples', async () => {
  fc.assert(
    fc.property(fc.array(anySample(), { maxLength: 30 }), (samples) => {
      const order = (name: string) => catalog.catalog.findIndex((family) => family.name === name)
      const expected = expectedFamilies(samples).sort((a, b) => order(a.name) - order(b.name))
      assert.deepStrictEqual(parsePage(pageOf(samples)), expected)
    }),
    { numRuns: 300 },
  )
})

t.test('kvmio counts for itself and shows its process', async (t) => {
  const own = createOwnMetrics()
  own.inc(catalog.scrapeErrors, { collector: 'qmp' })
  own.inc(catalog.scrapeErrors, { collector: 'qmp' }, 2)
  own.inc(catalog.samplerErrors, { source: 'diskstats' }, 0)
  const page = await own.text()
  t.match(page, /^kvmio_scrape_errors_total\{collector="qmp"\} 3$/m)
  t.match(page, /^kvmio_sampler_errors_total\{source="diskstats"\} 0$/m)
  t.match(page, /^process_resident_memory_bytes \d+$/m)
  t.match(page, /^process_cpu_seconds_total /m)
  t.throws(() => own.inc(catalog.study.runs, { study: 'a', outcome: 'passed' }), {
    message: "kvmio_study_runs_total is no counter of kvmio's own",
  })
})

t.test('letters of any alphabet, on a page of any length', async (t) => {
  for (const length of [1, 30_000, 300_000, 3_000_000]) {
    const room = `Küche 🍳 ${'厨'.repeat(length)}`
    const [family] = parsePage(pageOf([sample(temperature, { room }, 1)]))
    t.ok(family?.samples[0]?.labels.room === room, `${length} letters of three bytes`)
  }
})

t.test('two programs in one process count apart', async (t) => {
  const [first, second] = [createOwnMetrics(), createOwnMetrics()]
  first.inc(catalog.scrapeErrors, { collector: 'qmp' })
  t.notMatch(await second.text(), /collector="qmp"/)
})

t.test('promtool finds nothing to say', { skip: lacking('promtool') }, async (t) => {
  const own = createOwnMetrics()
  own.inc(catalog.scrapeErrors, { collector: 'qmp' })
  own.inc(catalog.samplerErrors, { source: 'qmp' })
  const samples = [
    sample(catalog.deviceTransactions, { device: 'sda' }, someDistribution()),
    sample(catalog.tierVms, { tier: 'a "b" \\ c\nd' }, Number.NaN),
  ]
  const input = pageOf(samples) + (await own.text())
  t.equal(execFileSync(findTool('promtool')!, ['check', 'metrics'], { input }).toString(), '')
})

t.test('the content type names the format', async (t) => {
  t.equal(CONTENT_TYPE, 'text/plain; version=0.0.4; charset=utf-8')
})

function someDistribution(): Distribution {
  return { bounds: [1, 10, 1e6], counts: [1, 2, 3], count: 3, sum: 30 }
}

function anySample(): fc.Arbitrary<Sample> {
  const number = fc.double().map((value) => (value === 0 ? 0 : value)) // -0 is printed as 0
  return fc.constantFrom(...catalog.catalog).chain((family) => {
    const value: fc.Arbitrary<number | Distribution> =
      family.type === 'histogram' ? anyDistribution() : number
    const labels = fc.record(
      Object.fromEntries(family.labels.map((name) => [name, anyLabel()])),
    ) as fc.Arbitrary<Record<string, string>>
    return fc.record({ family: fc.constant(family), labels, value })
  })
}

/** Few enough values that duplicates happen. */
function anyLabel(): fc.Arbitrary<string> {
  return fc.oneof(fc.constantFrom('', 'a', '\\', '\\n', '"', '\n'), fc.string({ unit: 'grapheme' }))
}

function anyDistribution(): fc.Arbitrary<Distribution> {
  const bounds = fc.uniqueArray(fc.double({ noNaN: true, noDefaultInfinity: true, min: 1e-9 }), {
    maxLength: 5,
  })
  return fc.record({ bounds, count: fc.nat(), sum: fc.nat() }).map(({ bounds, count, sum }) => {
    const sorted = bounds.sort((a, b) => a - b)
    return { bounds: sorted, counts: sorted.map((_bound, i) => Math.min(i, count)), count, sum }
  })
}
