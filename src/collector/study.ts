import type { ActiveStudy, StudyProgress } from '../attribution/records.ts'
import type { JournalReader } from '../journal/journal.ts'
import { OUTCOMES, type Outcome } from '../journal/runs.ts'
import {
  blockCounts,
  firstUnfinishedRun,
  type PhaseDuration,
  phaseDurations,
  runCounts,
} from '../journal/totals.ts'
import * as m from '../metrics/catalog.ts'
import { type Distribution, type Sample, sample } from '../metrics/family.ts'
import type { Collector } from './collector.ts'

// Seconds: from a phase that only prints a line to an installation under emulation.
const BOUNDS = [0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600]

const PAUSES = ['request', 'space'] as const

interface PhaseState {
  labels: { study: string; case: string; phase: string }
  counts: number[]
  count: number
  sum: number
  last: { run: number; seconds: number }
}

/** What the journal says of studies. Runs that ended are read once and kept as sums, so that a scrape of an endless study stays cheap. */
export function createStudyCollector(): Collector {
  const phases = new Map<string, PhaseState>()
  // Runs of several studies end in any order: all up to `settled` have ended, and of those after it these are counted.
  let settled = 0
  const counted = new Set<number>()
  return {
    name: 'study',

    async collect({ journal, studies }) {
      const fresh = phaseDurations(journal, settled).filter(({ run }) => !counted.has(run))
      for (const duration of fresh) {
        add(phases, duration)
        counted.add(duration.run)
      }
      const open = firstUnfinishedRun(journal) ?? Number.POSITIVE_INFINITY
      for (const run of counted) {
        if (run > open) continue
        settled = Math.max(settled, run)
        counted.delete(run)
      }
      return [
        ...activeSamples(studies),
        ...countSamples(journal, studies),
        ...[...phases.values()].flatMap(phaseSamples),
      ]
    },
  }
}

function add(
  phases: Map<string, PhaseState>,
  { study, case: caseName, phase, seconds, run }: PhaseDuration,
): void {
  const key = JSON.stringify([study, caseName, phase])
  const state = phases.get(key) ?? {
    labels: { study, case: caseName, phase },
    counts: BOUNDS.map(() => 0),
    count: 0,
    sum: 0,
    last: { run, seconds: 0 },
  }
  phases.set(key, state)
  for (const [index, bound] of BOUNDS.entries()) if (seconds <= bound) state.counts[index]! += 1
  state.count += 1
  state.sum += seconds
  const slowest = state.last.run === run ? Math.max(state.last.seconds, seconds) : seconds
  state.last = { run, seconds: slowest }
}

function phaseSamples({ labels, counts, count, sum, last }: PhaseState): Sample[] {
  const distribution: Distribution = { bounds: BOUNDS, counts, count, sum }
  return [
    sample(m.runPhaseDuration, labels, distribution),
    sample(m.runLastPhaseDuration, labels, last.seconds),
  ]
}

function activeSamples(studies: readonly ActiveStudy[]): Sample[] {
  return studies.flatMap(({ name, run, paused, progress }) => [
    sample(m.study.running, { study: name }, run ? 1 : 0),
    ...PAUSES.map((reason) =>
      sample(m.study.paused, { study: name, reason }, paused === reason ? 1 : 0),
    ),
    ...(progress ? progressSamples(name, progress) : []),
    ...(run
      ? [
          sample(
            m.runInfo,
            { study: name, case: run.case, block: String(run.block), run: String(run.id) },
            1,
          ),
        ]
      : []),
  ])
}

function progressSamples(study: string, { done, of, planned }: StudyProgress): Sample[] {
  return [
    ...(planned === undefined ? [] : [sample(m.study.planned, { study }, planned)]),
    ...(of > 0 ? [sample(m.study.progress, { study }, done / of)] : []),
  ]
}

/** Also of what has not come yet, 0: the first failure could not be seen as an increase otherwise. */
function countSamples(journal: JournalReader, studies: readonly ActiveStudy[]): Sample[] {
  const ended = runCounts(journal)
  const names = new Set([...studies.map(({ name }) => name), ...ended.map(({ study }) => study)])
  const runsOf = (name: string, outcome: Outcome) =>
    ended.find((found) => found.study === name && found.outcome === outcome)?.runs ?? 0
  return [
    ...[...names].flatMap((study) =>
      OUTCOMES.map((outcome) => sample(m.study.runs, { study, outcome }, runsOf(study, outcome))),
    ),
    ...blockCounts(journal).map(({ study, blocks }) => sample(m.study.blocks, { study }, blocks)),
  ]
}
