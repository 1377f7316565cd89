import t from 'tap'
import { analyse, type ClassAnalysis } from '../../../src/study/report/analysis.ts'
import { sentenceOf } from '../../../src/study/report/conclusions.ts'
import { constructedCase, constructedRun, constructedStudy, noise } from './constructed-study.ts'

const DURABLE = [constructedCase('ide', { bus: 'ide' }), constructedCase('virtio-blk')]

/** Seconds that differ by a few per cent in a fixed order. */
const WOBBLE = [1, 1.02, 0.97, 1.01, 0.99, 1.04, 0.98, 1.03]

function study(seconds: Record<string, number>, blocks = 8) {
  return constructedStudy('demo', DURABLE, blocks, (name, block) => {
    const at = name === 'ide' ? block - 1 : blocks - block
    return seconds[name]! * WOBBLE[at % WOBBLE.length]!
  })
}

/** Written anew, from the books: what the report says must come out of this too. */
function plainMedian(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return sorted.length % 2 === 1
    ? sorted[Math.floor(middle)]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2
}

t.test('medians and ratios are those that plain code finds in the runs', async (t) => {
  const results = study({ ide: 21, 'virtio-blk': 10 })
  const { measures } = analyse(results)
  const [load] = measures
  t.equal(load?.name, 'load')
  const [only] = load!.classes as [ClassAnalysis]
  const timesOf = (name: string) =>
    results.runs
      .filter((run) => run.case === name)
      .map(({ phases }) => phases.find((phase) => phase.name === 'write')!.seconds)
  for (const each of only.cases) {
    t.equal(each.median, plainMedian(timesOf(each.case)), each.case)
    t.equal(each.n, 8)
    t.ok(each.interval!.low <= each.median! && each.median! <= each.interval!.high)
    t.ok(each.interval!.low >= Math.min(...timesOf(each.case)))
  }
  const [held] = only.comparisons
  t.equal(held!.ratio, plainMedian(timesOf('ide')) / plainMedian(timesOf('virtio-blk')))
  t.equal(held!.cliffsDelta, -1, 'every run of virtio is below every run of ide')
  t.ok(Math.abs(held!.p! - 2 / 12_870) < 1e-12, 'two of the 12,870 orders are as far apart')
  const tps = measures.find(({ name }) => name === 'tps')!
  t.equal(
    tps.classes[0]!.cases[0]!.median,
    plainMedian(timesOf('ide').map((seconds) => 500 / (seconds + 8))),
    'all reads and writes of the device over the whole run',
  )
})

t.test('a difference is a sentence, the better first, with all it rests on', async (t) => {
  const { conclusions, inconclusive, recommendations } = analyse(
    study({ ide: 21, 'virtio-blk': 10 }),
  )
  t.equal(
    sentenceOf(conclusions[0]!),
    'virtio-blk over ide: 2.10 times as fast [2.02, 2.19]; 10.1 s against 21.1 s; durable cells, KVM, 8 blocks',
  )
  t.strictSame(inconclusive, [])
  t.match(recommendations, [
    {
      tier: 'disk',
      best: 'virtio-blk',
      tied: [],
      sentence: /^virtio-blk \(10\.\d s\), better than ide\.$/,
    },
  ])
  const reversed = analyse(study({ ide: 10, 'virtio-blk': 21 }))
  t.match(sentenceOf(reversed.conclusions[0]!), /^ide over virtio-blk: 2\.\d+ times as fast/)
})

t.test('what lies within five per cent is the same, and what overlaps is left open', async (t) => {
  const exact = constructedStudy('demo', DURABLE, 8, (_, block) => 10 + block / 100)
  t.match(analyse(exact).conclusions[0], {
    kind: 'same',
    claim: 'virtio-blk and ide: the same within 5 %: 1.00 times as fast [1.00, 1.00]',
  })
  const random = noise(4, 0.3)
  const wide = analyse(constructedStudy('demo', DURABLE, 8, () => 10 * random()))
  t.strictSame(wide.conclusions, [])
  const subject = 'Time of the load: virtio-blk against ide, durable cells, KVM'
  t.match(
    wide.inconclusive.find((each) => each.subject === subject),
    {
      why: /^they overlap: the ratio is .*, which holds 1$/,
    },
  )
  t.match(wide.recommendations[0]!.sentence, /^Nothing stands out: .* It cannot be told from /)
})

t.test('five blocks give a median, and no interval, conclusion or recommendation', async (t) => {
  const { measures, conclusions, inconclusive, recommendations } = analyse(
    study({ ide: 21, 'virtio-blk': 10 }, 5),
  )
  t.equal(measures[0]!.classes[0]!.cases[0]!.interval, undefined)
  t.strictSame(conclusions, [])
  t.match(
    inconclusive[0]!.why,
    /^5 blocks of the 6 that an interval needs; the ratio of the medians is 2\.1/,
  )
  t.strictSame(
    recommendations.map(({ sentence }) => sentence),
    ['None: no case has 6 blocks.'],
  )
})

t.test('cells of another durability or accelerator are never ranked with these', async (t) => {
  const cases = [
    ...DURABLE,
    constructedCase('unsafe', { cache: 'unsafe' }, { notDurable: 'cache unsafe' }),
    constructedCase(
      'unsafe-raw',
      { cache: 'unsafe', format: 'raw' },
      { notDurable: 'cache unsafe' },
    ),
    constructedCase('emulated', {}, { accelerator: 'tcg' }),
  ]
  const results = constructedStudy('demo', cases, 6, (name, block) => name.length + block / 100)
  const { measures, inconclusive, conclusions } = analyse(results)
  t.strictSame(
    measures[0]!.classes.map(({ title, reference, cases }) => [title, reference, cases.length]),
    [
      ['durable cells, KVM', 'ide', 2],
      ['cells that are not durable, KVM', 'unsafe', 2],
      ['durable cells, TCG', 'emulated', 1],
    ],
  )
  const pairs = conclusions.map(({ comparison }) => [comparison.case, comparison.reference].sort())
  t.notOk(pairs.some(([a, b]) => a!.startsWith('unsafe') !== b!.startsWith('unsafe')))
  const subjects = inconclusive.map(({ subject }) => subject)
  t.ok(subjects.includes('Figures of KVM guests'), 'TCG is said')
  t.ok(subjects.some((subject) => subject.endsWith('against one another')))
})

t.test('void and failed runs are left out and counted, outliers are kept and marked', async (t) => {
  const results = study({ ide: 21, 'virtio-blk': 10 })
  results.runs.push(
    constructedRun(90, 'ide', 9, 500),
    constructedRun(91, 'virtio-blk', 9, 1, { outcome: 'void', reason: 'neighbours' }),
    constructedRun(92, 'virtio-blk', 9, 1, { outcome: 'failed', reason: 'the guest hung' }),
  )
  const { measures, inconclusive, runs } = analyse(results)
  const [ide, virtio] = measures[0]!.classes[0]!.cases
  t.equal(ide!.n, 9)
  t.strictSame(
    ide!.runs.filter(({ outlier }) => outlier).map(({ run }) => run),
    [90],
  )
  t.equal(virtio!.n, 8)
  t.equal(measures[0]!.classes[0]!.comparisons[0]!.blocks, 8, 'the block without a pair is no pair')
  t.strictSame(runs, { passed: 17, all: 19 })
  t.match(inconclusive, [
    { subject: '1 run of 19 is failed and left out', why: 'virtio-blk: the guest hung' },
    { subject: '1 run of 19 is void and left out', why: 'virtio-blk: neighbours' },
    { subject: 'That ide was in a steady state' },
  ])
})

t.test(
  'a reference case that runs three times in a block counts once, by its median',
  async (t) => {
    const results = study({ ide: 20, 'virtio-blk': 10 }, 6)
    const more = [1, 2, 3, 4, 5, 6].flatMap((block) => [
      constructedRun(100 + block, 'ide', block, 1),
      constructedRun(200 + block, 'ide', block, 99),
    ])
    const plain = analyse(results).measures[0]!.classes[0]!
    const thrice = analyse({ ...results, runs: [...results.runs, ...more] }).measures[0]!
      .classes[0]!
    t.equal(thrice.cases[0]!.n, 6)
    t.equal(thrice.cases[0]!.runs.length, 18, 'all of them are shown')
    t.strictSame(thrice.comparisons, plain.comparisons)
  },
)

t.test(
  'the effect of a factor is the geometric mean over all that differs in nothing else',
  async (t) => {
    const cases = ['ide', 'virtio-blk'].flatMap((bus) =>
      ['qcow2', 'raw'].map((format) => constructedCase(`${bus}-${format}`, { bus, format })),
    )
    const seconds: Record<string, number> = {
      'ide-qcow2': 40,
      'ide-raw': 20,
      'virtio-blk-qcow2': 10,
      'virtio-blk-raw': 10,
    }
    const { measures } = analyse(constructedStudy('demo', cases, 6, (name) => seconds[name]!))
    const { effects } = measures[0]!.classes[0]!
    t.match(effects, [
      { factor: 'bus', value: 'virtio-blk', reference: 'ide', pairs: 2, blocks: 6 },
      { factor: 'format', value: 'raw', reference: 'qcow2', pairs: 2, blocks: 6 },
    ])
    t.ok(Math.abs(effects[0]!.ratio - Math.sqrt(4 * 2)) < 1e-9)
    t.ok(Math.abs(effects[1]!.ratio - Math.sqrt(2 * 1)) < 1e-9)
  },
)

t.test('a job of a given time is judged by its rate', async (t) => {
  const results = study({ ide: 21, 'virtio-blk': 10 })
  for (const run of results.runs) {
    run.phases = run.phases.map(({ name, seconds }) =>
      name === 'write' ? { name: 'fio', seconds: 30 } : { name, seconds },
    )
    for (const sample of run.samples) if (sample.phase === 'write') sample.phase = 'fio'
  }
  const { measures, conclusions } = analyse(results)
  t.strictSame(
    measures.map(({ name }) => name),
    ['rate', 'tps'],
  )
  t.match(conclusions[0]!.claim, /^virtio-blk over ide: 2\.\d\d times the transactions per second/)
})

t.test('what a study names is what it is judged by', async (t) => {
  const results = study({ ide: 21, 'virtio-blk': 10 })
  const named = (name: string) => analyse({ ...results, measure: name }).measures[0]!
  t.equal(named('tps').name, 'tps')
  t.match(named('boot'), { name: 'boot', unit: 's', better: 'less' })
})

t.test('the same results give the same analysis', async (t) => {
  const results = study({ ide: 11, 'virtio-blk': 10 })
  t.strictSame(analyse(results), analyse(structuredClone(results)))
})
