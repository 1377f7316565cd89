import * as m from '../../src/metrics/catalog.ts'
import { runs } from './annotations.ts'
import type { Page } from './dashboard.ts'
import { linkTo } from './links.ts'
import { bars, phaseTimeline, rowsOf, timeSeries } from './panels.ts'
import { inPhase } from './phase.ts'
import { HOST, part, query, rate, series, sumBy } from './query.ts'
import { MEANINGS, STATUS } from './style.ts'
import * as variables from './variables.ts'

const OF = { study: '$study' }
const DURATION = { study: '$study', phase: '$phase' }
const OUTCOMES = ['passed', 'failed', 'void', 'abandoned'] as const
const NO_STUDY =
  'No study runs: start one with `kvmio run STUDY`, or give one a schedule and start `kvmio serve`.'
const NO_RUN =
  'No run of the study has passed this phase in the time range: choose another phase or a longer time.'
/** Of the past too, since what a vm was made from is gone when its study has ended. */
const lately = (selector: string) => `last_over_time(${selector}[$__range])`

const state = rowsOf({
  title: 'Studies',
  description:
    'How far each study is, at the end of the time range. Progress counts runs that passed or failed, of an endless study those of its present block. Worry when a study is paused for space, when runs fail, or when more than a few are void: a void run was thrown away since its figures cannot be those of its case.',
  unit: 'count',
  empty: NO_STUDY,
  labels: { instance: 'instance', study: 'study' },
  columns: [
    { name: 'progress', expr: total(series(m.study.progress, OF)), unit: 'ratio' },
    { name: 'running', expr: total(series(m.study.running, OF)), unit: 'yesNo' },
    { name: 'planned', expr: total(series(m.study.planned, OF)), unit: 'count' },
    { name: 'blocks', expr: total(series(m.study.blocks, OF)), unit: 'count' },
    ...OUTCOMES.map((outcome) => ({
      name: outcome,
      expr: total(series(m.study.runs, { ...OF, outcome })),
      unit: 'count' as const,
      steps: [
        [null, STATUS.none],
        [1, MEANINGS[outcome]!.colour],
      ] as [number | null, string][],
    })),
    { name: 'paused on request', expr: paused('request'), unit: 'yesNo' },
    {
      name: 'paused for space',
      expr: paused('space'),
      unit: 'yesNo',
      steps: [
        [null, STATUS.none],
        [1, STATUS.bad],
      ],
    },
  ],
})

function total(expr: string): string {
  return `sum by (${HOST}, study) (${expr})`
}

function paused(reason: string): string {
  return total(series(m.study.paused, { ...OF, reason }))
}

const progress = timeSeries({
  title: 'Progress',
  description:
    'Share of the planned runs that are done; of an endless study it begins again with each block. A line that stays level while the study runs is a run that hangs, or a pause.',
  unit: 'ratio',
  max: 1,
  empty: NO_STUDY,
  queries: [query(`max by (study) (${series(m.study.progress, OF)})`, '{{study}}')],
})

const outcomes = timeSeries({
  title: 'Runs by outcome',
  description:
    'Runs since the journal began, by how they ended. Passed should be almost all of it. A failed run broke in a guest or on the host (the log and `kvmio report` say why), an abandoned one was cut short by a stop, a void one is thrown away.',
  unit: 'count',
  stacked: true,
  empty: 'No run of the study has ended yet.',
  queries: OUTCOMES.map((outcome) =>
    query(`sum(${series(m.study.runs, { ...OF, outcome })})`, outcome),
  ),
})

const cases = rowsOf({
  title: 'Durations by case',
  description:
    'How long the chosen phase took in each case: the slowest vm of its last run that passed, the mean of all vms and runs since the journal began, and how many those are. Compare cases of the same durability and accelerator alone. What is a difference and what is chance `kvmio report` says, with intervals over blocks.',
  unit: 'seconds',
  empty: NO_RUN,
  labels: { study: 'study', case: 'case' },
  sortBy: 'mean',
  columns: [
    {
      name: 'last',
      expr: byCase(lately(series(m.runLastPhaseDuration, DURATION))),
      unit: 'seconds',
    },
    {
      name: 'mean',
      expr: `${byCase(lately(series(part(m.runPhaseDuration, 'sum'), DURATION)))} / ${byCase(lately(series(part(m.runPhaseDuration, 'count'), DURATION)))}`,
      unit: 'seconds',
    },
    {
      name: 'vms',
      expr: byCase(lately(series(part(m.runPhaseDuration, 'count'), DURATION))),
      unit: 'count',
    },
  ],
})

function byCase(expr: string): string {
  return `sum by (study, case) (${expr})`
}

const durations = timeSeries({
  title: 'Durations over time',
  description:
    'The chosen phase in the last run of each case, as it changed from run to run. A case that drifts with time (a disk that fills, a cache that warms) is not repeatable: look for a cause before its figures are compared.',
  unit: 'seconds',
  empty: NO_RUN,
  queries: [
    query(
      `max by (study, case) (${series(m.runLastPhaseDuration, DURATION)})`,
      '{{study}}: {{case}}',
    ),
  ],
})

/** Of the last durations the median over the cases that share this option of a drive. */
function comparison(label: string, drives: string): string {
  const vms = `max by (${HOST}, vm, study, case) (${lately(series(m.vmInfo, OF))})`
  const inCase = `max by (${HOST}, study, case, ${label}) (${drives} * on (${HOST}, vm) group_left (study, case) ${vms})`
  const last = `max by (${HOST}, study, case) (${lately(series(m.runLastPhaseDuration, DURATION))})`
  return `quantile by (study, ${label}) (0.5, ${inCase} * on (${HOST}, study, case) group_left () ${last})`
}

function compared(title: string, label: string, drives: string, words: string) {
  return bars({
    title,
    description: `The chosen phase in the last runs: the median over the cases that share the ${words}. Cases differ in other things too; only where the study crosses them all is this the effect of the ${words} alone. \`kvmio report\` decides.`,
    unit: 'seconds',
    empty: NO_RUN,
    queries: [query(comparison(label, drives), `{{study}}: {{${label}}}`)],
  })
}

const drives = lately(series(m.driveInfo))
const comparisons = [
  compared('Buses', 'bus', drives, 'bus'),
  compared('Formats', 'format', drives, 'image format'),
  compared('Caches', 'cache', drives, 'cache mode'),
  compared(
    'Filesystems',
    'filesystem',
    `(${drives} * on (${HOST}, tier) group_left (filesystem) ${series(m.tierInfo)})`,
    'filesystem of the tier',
  ),
]

/** A value of vms, with the case that each runs. */
function ofCases(expr: string): string {
  const vms = `max by (${HOST}, vm, study, case) (${series(m.vmInfo, OF)})`
  return `sum by (study, case) (${expr} * on (${HOST}, vm) group_left (study, case) ${vms})`
}

const byVm = [HOST, 'vm']
const d = m.drive
const asked = timeSeries({
  title: 'Operations by case',
  description:
    'Reads, writes and flushes per second that the vms of each case ask of qemu. Cases run one after another, so that each line has gaps. The same workload with fewer operations per second takes longer.',
  unit: 'transactions',
  empty: 'No vm of the study does I/O in this time range.',
  queries: [
    query(
      ofCases(sumBy(byVm, rate(d.readsCompleted), rate(d.writesCompleted), rate(d.flushes))),
      '{{study}}: {{case}}',
    ),
  ],
})
const done = timeSeries({
  title: 'Device transactions by case',
  description:
    'Reads and writes per second that the devices at the bottom of the stack did for the vms of each case, by their cgroups: what one more vm of that case would cost the tier. Host-cached writes are absent on cgroup v1.',
  unit: 'transactions',
  empty: 'No vm of the study does I/O that its cgroup could tell.',
  queries: [
    query(
      ofCases(
        `sum by (${HOST}, vm) ((${rate(m.vmDevice.readsCompleted)} + ${rate(m.vmDevice.writesCompleted)}) and on (${HOST}, device) ${series(m.deviceInfo, { leaf: 'true' })})`,
      ),
      '{{study}}: {{case}}',
    ),
  ],
})

const phases = phaseTimeline({
  title: 'Phase of every vm',
  description:
    'What each vm is doing now and did before. Vms of one run should go through their phases side by side: one that stays behind shares its device or its processor unfairly, and the slowest counts.',
  empty: 'No vm of the study reports a phase in this time range.',
  query: query(inPhase({ vm: '$vm' }), '{{vm}}'),
})

const vms = rowsOf({
  title: 'Vms',
  description:
    'The vms of the study: whether they run, and how their last run ended. The name leads to the layers of the vm.',
  unit: 'count',
  empty: NO_STUDY,
  labels: { instance: 'instance', study: 'study', case: 'case', vm: 'vm', outcome: 'last outcome' },
  cellLinks: { vm: linkTo('vm', ['instance', 'study', 'vm'], true) },
  columns: [
    {
      name: 'running',
      expr: `max by (${HOST}, vm) (${series(m.vmUp)}) * on (${HOST}, vm) group_left (study, case, outcome) (max by (${HOST}, vm, study, case, outcome) (${series(m.vmInfo, OF)} * on (${HOST}, vm) group_left (outcome) ${series(m.vmOutcome)}) or max by (${HOST}, vm, study, case) (${series(m.vmInfo, OF)}) unless on (${HOST}, vm) ${series(m.vmOutcome)})`,
      unit: 'yesNo',
      steps: [
        [null, STATUS.none],
        [1, STATUS.good],
      ],
    },
  ],
})

/** A study from its runs to its conclusions. */
export const studyPage: Page = {
  name: 'study',
  description:
    'What a study has found until now: how far it is, which options are fastest, and what its vms are doing.',
  from: 'now-3h',
  variables: [...variables.targets(), variables.study(), variables.vm(), variables.phase()],
  annotations: [runs(OF)],
  sections: [
    {
      title: 'Progress',
      lines: [
        { height: 6, panels: [state] },
        { height: 7, panels: [progress, outcomes] },
      ],
    },
    {
      title: 'Durations of the phase $phase',
      lines: [
        { height: 9, panels: [cases, durations] },
        { height: 7, panels: comparisons },
      ],
    },
    {
      title: 'Now',
      lines: [
        { height: 8, panels: [asked, done] },
        { height: 8, panels: [phases] },
        { height: 7, panels: [vms] },
      ],
    },
  ],
}
