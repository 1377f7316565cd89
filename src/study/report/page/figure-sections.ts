import { median } from 'simple-statistics'
import { type Html, html } from '../../../lib/html.ts'
import type { Analysis, CaseResult, ClassAnalysis, MeasureAnalysis } from '../analysis.ts'
import { barsSpec } from '../figures/bars.ts'
import { layersSpec } from '../figures/layers.ts'
import { drawFigure } from '../figures/svg.ts'
import { sinceBoot, timelineSpec } from '../figures/timeline.ts'
import {
  count,
  formatFigure,
  formatInterval,
  formatMeasured,
  formatRatio,
  list,
} from '../format.ts'
import { type Measure, measure } from '../measures.ts'
import { LAYERS, type RunResult, type StudyResults } from '../record.ts'
import type { Section } from './document.ts'
import { paperBlock } from './paper-block.ts'
import { tableOf } from './table.ts'

const BARS =
  'Bars: medians over blocks. Red: 95 % intervals of the median. Dots: single runs; diamonds: flagged as outliers, and counted all the same. Grey bar and dashed line: the reference case.'

/** A picture is shown without what stands above it, too: each says itself what it is a picture of. */
function captionOf({ scale }: Analysis, text?: string): Html | undefined {
  const said = [...(text ? [text] : []), ...(scale ? [`Scaled down: ${scale}.`] : [])]
  return said.length === 0 ? undefined : html`<figcaption>${said.join(' ')}</figcaption>`
}

/** One section a measure; the first, which answers what the study asks, is held against the paper. */
export async function measureSections(analysis: Analysis): Promise<Section[]> {
  return await Promise.all(
    analysis.measures.map(async (of, index) => ({
      id: of.name,
      title: of.title,
      body: html`<p>${of.source} ${of.better === 'less' ? 'Less' : 'More'} is better.</p>
${await Promise.all(
  of.classes.map((each, place) =>
    classFigure(of, each, captionOf(analysis, index + place === 0 ? BARS : undefined)),
  ),
)}
${index === 0 && analysis.paper && paperBlock(analysis.paper)}`,
    })),
  )
}

async function classFigure(
  of: MeasureAnalysis,
  each: ClassAnalysis,
  caption: Html | undefined,
): Promise<Html> {
  const { title, reference, cases } = each
  if (cases.every(({ n }) => n === 0)) {
    return html`<h3>${title}</h3>
<p>Not measured: ${list(cases.map((result) => result.case))}.</p>`
  }
  const held = cases.find((result) => result.case === reference)?.median
  const figure = await drawFigure(`${of.title}: ${title}`, (frame) =>
    barsSpec(
      cases.map((result) => ({
        label: result.case,
        text: resultText(result, of),
        colour: result.case === reference ? 'var(--reference)' : 'var(--bar)',
        value: result.median,
        low: result.interval?.low,
        high: result.interval?.high,
        runs: result.runs,
      })),
      { title: `${of.title}, ${of.unit === '/s' ? 'per second' : of.unit}`, reference: held },
      frame,
    ),
  )
  return html`<h3>${title}</h3>
<figure>${figure}
${caption}</figure>
${effectsTable(each, of)}`
}

function resultText({ median, interval, n }: CaseResult, of: MeasureAnalysis): string {
  if (median === undefined) return 'not measured'
  const between = interval ? ` ${formatInterval(interval)}` : ', no interval'
  return `${formatMeasured(median, of)}${between}, ${count(n, 'block')}`
}

function effectsTable({ effects }: ClassAnalysis, of: MeasureAnalysis): Html | undefined {
  if (effects.length === 0) return undefined
  const { comparative }: Measure = measure(of.name)
  return html`<h4>Over all other factors</h4>
${tableOf(
  [
    { title: 'factor' },
    { title: 'value over reference', kind: 'name' },
    { title: `times ${comparative}`, kind: 'figure' },
    { title: 'interval', kind: 'figure' },
    { title: 'pairs', kind: 'figure' },
    { title: 'blocks', kind: 'figure' },
  ],
  effects.map((effect) => [
    effect.factor,
    `${effect.value} over ${effect.reference}`,
    formatRatio(effect.ratio),
    effect.interval ? formatInterval(effect.interval, formatRatio) : 'none',
    `${effect.pairs}`,
    `${effect.blocks}`,
  ]),
)}
<p><small>The geometric mean of the ratios of all pairs of cases that differ in this factor alone.</small></p>`
}

/** Absent without one-second samples. */
export async function timelineSection(
  study: StudyResults,
  analysis: Analysis,
): Promise<Section | undefined> {
  const { measures } = analysis
  const sampled = study.runs.filter(
    ({ outcome, samples }) =>
      outcome === 'passed' && samples.some(({ device }) => device !== undefined),
  )
  if (sampled.length === 0) return undefined
  const [first] = measures
  const shown = study.cases.flatMap(({ name }) => {
    const own = sampled.filter((run) => run.case === name)
    return own.length === 0 ? [] : [{ name, own, typical: typicalOf(own, measure(first!.name)) }]
  })
  const samples = shown.flatMap(({ typical }) => sinceBoot(typical))
  const peaks = shown.flatMap(({ own }) => own.flatMap((run) => measure('peak').of(run) ?? []))
  const scales = {
    most: Math.max(1, ...peaks),
    longest: Math.max(1, ...samples.map(({ second }) => second)) * 1.05,
  }
  const figures = await Promise.all(
    shown.map(async ({ name, own, typical }) => {
      const others = own.filter((run) => run !== typical)
      const figure = await drawFigure(`Transactions per second over time: ${name}`, (frame) =>
        timelineSpec({ typical, others }, scales, frame),
      )
      return html`<h4>${name}</h4>
<figure>${figure}
${captionOf(analysis)}</figure>`
    }),
  )
  return {
    id: 'timeline',
    title: 'The device, second by second',
    body: html`<p>Transactions per second of the device under the tier, one sample a second. Strong: the run nearest to the case’s median, with its phases; faint: the other runs. All have the same scales.</p>
${figures}`,
  }
}

function typicalOf(runs: readonly RunResult[], of: Measure): RunResult {
  const values = runs.flatMap((run) => of.of(run) ?? [])
  const middle = values.length === 0 ? 0 : median(values)
  const distance = (run: RunResult) => Math.abs((of.of(run) ?? Number.MAX_VALUE) - middle)
  return runs.reduce((best, run) => (distance(run) < distance(best) ? run : best))
}

export async function layersSection(analysis: Analysis): Promise<Section | undefined> {
  const { layers } = analysis
  if (layers.length === 0) return undefined
  const present = LAYERS.filter((layer) =>
    layers.some(({ operations, bytes }) => operations[layer] ?? bytes[layer]),
  )
  const figure = await drawFigure('Operations at each layer', (frame) => layersSpec(layers, frame))
  const mebibytes = (bytes: number | undefined) =>
    bytes === undefined ? undefined : formatFigure(bytes / 2 ** 20)
  return {
    id: 'layers',
    title: 'From the guest to the device',
    body: html`<p>What each layer counted in a run: the guest’s own disk statistics, qemu’s, those of its process (system calls) and of its cgroup, and the device’s. A cgroup counts requests before the kernel merges them. Medians over the runs that passed, all vms together; a layer that this host does not count is left out.</p>
<figure>${figure}
${captionOf(analysis)}</figure>
${tableOf(
  [
    { title: 'case', kind: 'name' },
    { title: 'device operations per guest operation', kind: 'figure' },
    ...present.map((layer) => ({ title: `${layer} MiB`, kind: 'figure' as const })),
  ],
  layers.map((figures) => [
    figures.case,
    figures.deviceOperationsPerGuestOperation === undefined
      ? undefined
      : formatFigure(figures.deviceOperationsPerGuestOperation),
    ...present.map((layer) => mebibytes(figures.bytes[layer])),
  ]),
)}`,
  }
}
