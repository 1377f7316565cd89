import t, { type Test } from 'tap'
import { createStudyCollector } from '../../src/collector/study.ts'
import type { Journal } from '../../src/journal/journal.ts'
import { type Outcome, recordEnd, recordStart } from '../../src/journal/runs.ts'
import { endBlock, openBlock, recordStudy } from '../../src/journal/studies.ts'
import { vmPhases } from '../../src/journal/vms.ts'
import * as m from '../../src/metrics/catalog.ts'
import type { Distribution } from '../../src/metrics/family.ts'
import { emptyJournal, scrapeOf, valuesOf } from './host.ts'

/** Begins a run whose vms each write for so many seconds. */
function begin(journal: Journal, study: string, ...writeSeconds: number[]): number {
  const block = openBlock(
    journal,
    recordStudy(journal, { name: study, hash: 'hash', config: {}, seed: 1 }).id,
  )
  const vms = writeSeconds.map((_, index) => ({ name: `${study}-a-${index + 1}`, plan: {} }))
  const run = { blockId: block.id, caseName: 'a', factors: {}, manifest: {}, vms }
  const { id, vmIds } = recordStart(journal, run)
  for (const [index, vmId] of vmIds.entries()) {
    vmPhases(journal, vmId, 1, [
      { seq: 1, phase: 'write', uptime: 1 },
      { seq: 2, phase: 'off', uptime: 1 + writeSeconds[index]! },
    ])
  }
  return id
}

function finish(journal: Journal, study: string, ...writeSeconds: number[]): number {
  const id = begin(journal, study, ...writeSeconds)
  recordEnd(journal, id, { outcome: 'passed' })
  return id
}

async function collecting(t: Test) {
  const journal = await emptyJournal(t)
  const collector = createStudyCollector()
  const collect = async () => collector.collect(await scrapeOf(t, { journal }))
  return {
    journal,
    collect,
    /** Of phase write by study: how many were counted, and their sum. */
    async writes(): Promise<Record<string, [count: number, sum: number]>> {
      const found = valuesOf(await collect(), m.runPhaseDuration)
      return Object.fromEntries(
        Object.entries(found).map(([labels, value]) => {
          const { count, sum } = value as Distribution
          return [labels.split(' ')[0], [count, sum]]
        }),
      )
    },
  }
}

t.test('each run is counted once, in whichever scrape it comes first', async (t) => {
  const { journal, writes, collect } = await collecting(t)
  t.strictSame(await writes(), {})
  finish(journal, 'demo', 4, 8)
  t.strictSame(await writes(), { demo: [2, 12] })
  t.strictSame(await writes(), { demo: [2, 12] }, 'again')
  finish(journal, 'demo', 1)
  finish(journal, 'other', 100)
  t.strictSame(await writes(), { demo: [3, 13], other: [1, 100] })
  t.strictSame(valuesOf(await collect(), m.runLastPhaseDuration), {
    'demo a write': 1,
    'other a write': 100,
  })
})

t.test('a run that began before another and ends after it is counted too', async (t) => {
  const { journal, writes } = await collecting(t)
  const long = begin(journal, 'install', 600)
  finish(journal, 'demo', 4)
  t.strictSame(await writes(), { demo: [1, 4] })
  finish(journal, 'demo', 5)
  recordEnd(journal, long, { outcome: 'passed' })
  t.strictSame(await writes(), { install: [1, 600], demo: [2, 9] })
  t.strictSame(await writes(), { install: [1, 600], demo: [2, 9] }, 'again')
  finish(journal, 'demo', 1)
  t.strictSame(await writes(), { install: [1, 600], demo: [3, 10] })
})

t.test('the last run: its slowest vm', async (t) => {
  const { journal, collect } = await collecting(t)
  finish(journal, 'demo', 4, 8, 6)
  t.strictSame(valuesOf(await collect(), m.runLastPhaseDuration), { 'demo a write': 8 })
  finish(journal, 'demo', 2, 3)
  t.strictSame(valuesOf(await collect(), m.runLastPhaseDuration), { 'demo a write': 3 })
})

t.test('buckets', async (t) => {
  const { journal, collect } = await collecting(t)
  finish(journal, 'demo', 0.5, 0.6, 3600, 4000)
  const found = valuesOf(await collect(), m.runPhaseDuration)['demo a write'] as Distribution
  t.equal(found.counts[0], 1, 'a bound is part of its bucket')
  t.equal(found.counts[1], 2)
  t.equal(found.counts.at(-1), 3)
  t.equal(found.count, 4)
})

t.test('what failed has outcomes and no durations', async (t) => {
  const { journal, collect } = await collecting(t)
  for (const outcome of ['failed', 'abandoned', 'failed'] satisfies Outcome[]) {
    recordEnd(journal, begin(journal, 'demo', 9), { outcome })
  }
  const samples = await collect()
  t.strictSame(valuesOf(samples, m.runPhaseDuration), {})
  t.strictSame(valuesOf(samples, m.study.runs), {
    'demo passed': 0,
    'demo failed': 2,
    'demo abandoned': 1,
    'demo void': 0,
  })
  t.strictSame(valuesOf(samples, m.study.blocks), {})
  endBlock(
    journal,
    openBlock(journal, recordStudy(journal, { name: 'demo', hash: 'hash', config: {}, seed: 1 }).id)
      .id,
  )
  t.strictSame(valuesOf(await collect(), m.study.blocks), { demo: 1 })
})

t.test('studies that go on now', async (t) => {
  const journal = await emptyJournal(t)
  const studies = [
    {
      name: 'demo',
      run: { case: 'ide', block: 3, id: 17 },
      progress: { done: 6, of: 24, planned: 24 },
    },
    { name: 'resting' },
    { name: 'endless', paused: 'request' as const, progress: { done: 1, of: 4 } },
    { name: 'full', paused: 'space' as const, progress: { done: 0, of: 0 } },
  ]
  const samples = await createStudyCollector().collect(await scrapeOf(t, { journal, studies }))
  t.strictSame(valuesOf(samples, m.study.running), { demo: 1, resting: 0, endless: 0, full: 0 })
  t.equal(valuesOf(samples, m.study.runs)['resting failed'], 0, 'before the first has failed')
  t.strictSame(valuesOf(samples, m.study.planned), { demo: 24 }, 'of one with an end')
  t.strictSame(valuesOf(samples, m.study.progress), { demo: 0.25, endless: 0.25 })
  t.strictSame(valuesOf(samples, m.study.paused), {
    'demo request': 0,
    'demo space': 0,
    'resting request': 0,
    'resting space': 0,
    'endless request': 1,
    'endless space': 0,
    'full request': 0,
    'full space': 1,
  })
  t.strictSame(valuesOf(samples, m.runInfo), { 'demo ide 3 17': 1 })
})
