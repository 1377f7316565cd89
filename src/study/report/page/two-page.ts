import { type Html, html } from '../../../lib/html.ts'
import type { Analysis, CaseResult } from '../analysis.ts'
import { barsSpec } from '../figures/bars.ts'
import { drawFigure } from '../figures/svg.ts'
import { count, formatInterval, formatMeasured, formatRatio, list } from '../format.ts'
import { measure } from '../measures.ts'
import type { Beside, CaseBeside, MeasureBeside } from '../two.ts'
import type { Chapter, Section } from './document.ts'
import { tableOf } from './table.ts'

/** Of the two studies: what they are called here, and what they came to. */
export interface Titled {
  title: string
  analysis: Analysis
}

/** Two studies side by side, before each of them alone. */
export async function besideChapter(
  first: Titled,
  second: Titled,
  { measures, alone, apart }: Beside,
): Promise<Chapter> {
  const agreements = measures[0]?.agreements ?? []
  const agreed = (which: string) => agreements.filter(({ agreement }) => agreement === which).length
  return {
    id: 'beside',
    title: `${first.title} beside ${second.title}`,
    header: html`<ul class="verdicts">
<li class="${agreed('disagree') > 0 ? 'none' : 'same'}">Of ${count(agreements.length, 'comparison')} that both made, they agree on ${agreed('agree')}, disagree on ${agreed('disagree')}, and leave ${agreed('open')} open.</li>
${measures.slice(0, 1).map((of) =>
  of.cases
    .filter(({ differs }) => differs)
    .map(
      (each) => html`<li class="differs">${differenceSentence(each, of, first, second)}.</li>
`,
    ),
)}</ul>
<p class="soft">A difference between hosts is one of all that they have otherwise than each other, of which the table below names only a part.</p>`,
    sections: [
      ...(await Promise.all(measures.map((of) => measureSection(of, first, second)))),
      apartSection(first, second, apart, alone),
    ],
  }
}

function differenceSentence(
  { case: name, ratio, interval, class: of }: CaseBeside,
  { name: measureName }: MeasureBeside,
  first: Titled,
  second: Titled,
): string {
  const [over, under] = ratio! >= 1 ? [first, second] : [second, first]
  const shown = ratio! >= 1 ? ratio! : 1 / ratio!
  const range = ratio! >= 1 ? interval! : { low: 1 / interval!.high, high: 1 / interval!.low }
  return `${name}: ${over.title} over ${under.title}: ${formatRatio(shown)} times ${measure(measureName).comparative} ${formatInterval(range, formatRatio)}; ${of}`
}

async function measureSection(of: MeasureBeside, first: Titled, second: Titled): Promise<Section> {
  const unit = measure(of.name)
  const figure = await drawFigure(`${of.title}, both`, (frame) =>
    barsSpec(
      of.cases.flatMap(({ case: name }) => [
        barOf(name, of.name, first, 'var(--layer-1)'),
        barOf(name, of.name, second, 'var(--layer-2)'),
      ]),
      { title: `${of.title}, ${unit.unit === '/s' ? 'per second' : unit.unit}` },
      frame,
    ),
  )
  return {
    id: `beside-${of.name}`,
    title: of.title,
    body: html`<figure>${figure}</figure>
<h3>Each case, ${first.title} over ${second.title}</h3>
${tableOf(
  [
    { title: 'case', kind: 'name' },
    { title: first.title, kind: 'figure' },
    { title: second.title, kind: 'figure' },
    { title: `times ${unit.comparative}`, kind: 'figure' },
    { title: 'interval', kind: 'figure' },
    { title: 'differs' },
    { title: 'blocks', kind: 'figure' },
    { title: 'class' },
  ],
  of.cases.map((each) => [
    each.case,
    ...each.medians.map((value) => (value === undefined ? undefined : formatMeasured(value, unit))),
    each.ratio === undefined ? undefined : formatRatio(each.ratio),
    each.interval && formatInterval(each.interval, formatRatio),
    each.differs ? 'yes' : 'cannot be said',
    each.blocks.join(' and '),
    each.class,
  ]),
)}
<h3>Do they conclude the same?</h3>
${agreementsTable(of, first, second)}`,
  }
}

function agreementsTable({ agreements, name }: MeasureBeside, first: Titled, second: Titled): Html {
  if (agreements.length === 0) return html`<p>They have no comparison in common.</p>`
  const shown = ({ ratio, interval }: (typeof agreements)[number]['first']) =>
    ratio === undefined
      ? undefined
      : `${formatRatio(ratio)}${interval ? ` ${formatInterval(interval, formatRatio)}` : ''}`
  return html`${tableOf(
    [
      { title: 'case over reference', kind: 'name' },
      { title: `${first.title}: times ${measure(name).comparative}`, kind: 'figure' },
      { title: second.title, kind: 'figure' },
      { title: 'they' },
    ],
    agreements.map((each) => [
      `${each.first.case} over ${each.first.reference}`,
      shown(each.first),
      shown(each.second),
      html`<span class="${each.agreement === 'agree' ? 'agrees' : each.agreement === 'disagree' ? 'disagrees' : 'open'}">${each.agreement === 'open' ? 'leave it open' : each.agreement}</span>`,
    ]),
  )}`
}

function barOf(name: string, measureName: string, { title, analysis }: Titled, colour: string) {
  const of = measure(measureName)
  const result = analysis.measures
    .find((each) => each.name === measureName)
    ?.classes.flatMap(({ cases }): CaseResult[] => cases)
    .find((each) => each.case === name)
  const { median, interval, runs = [], n = 0 } = result ?? {}
  const text =
    median === undefined
      ? 'not measured'
      : `${formatMeasured(median, of)}${interval ? ` ${formatInterval(interval)}` : ''}, ${count(n, 'block')}`
  return {
    label: `${name}: ${title}`,
    text,
    colour,
    value: median,
    low: interval?.low,
    high: interval?.high,
    runs,
  }
}

function apartSection(
  first: Titled,
  second: Titled,
  apart: Beside['apart'],
  alone: readonly string[],
): Section {
  return {
    id: 'beside-hosts',
    title: 'What they have otherwise than each other',
    body: html`${
      apart.length === 0
        ? html`<p>The manifests name the same host, kernel and qemu.</p>`
        : tableOf(
            [
              { title: '' },
              { title: first.title, kind: 'words' },
              { title: second.title, kind: 'words' },
            ],
            apart,
          )
    }
${alone.length > 0 && html`<p>Not compared, since only one of them has the case, or it is of another class there (durability, accelerator): ${list(alone)}.</p>`}`,
  }
}
