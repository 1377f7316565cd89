import { type Html, html } from '../../../lib/html.ts'
import type { Analysis, ClassAnalysis, MeasureAnalysis } from '../analysis.ts'
import { formatP, sentenceOf } from '../conclusions.ts'
import { formatInterval, formatRatio } from '../format.ts'
import { measure } from '../measures.ts'
import type { Section } from './document.ts'
import { tableOf } from './table.ts'

const VERDICTS = {
  differs: 'differs',
  same: 'the same',
  open: 'cannot be said',
  few: 'too few blocks',
  none: 'nothing to compare',
} as const

export function conclusionsSection({ conclusions, measures }: Analysis): Section {
  const tables = measures.flatMap((of) =>
    of.classes.flatMap((each) => (each.comparisons.length === 0 ? [] : [heldTable(of, each)])),
  )
  return {
    id: 'conclusions',
    title: 'What can be concluded',
    body: html`${
      conclusions.length === 0
        ? html`<p>Nothing.</p>`
        : html`<ul>${conclusions.map((each) => html`<li>${sentenceOf(each)}.</li>`)}</ul>`
    }
${tables}`,
  }
}

/** Every case of a class against its reference. */
function heldTable({ name, title }: MeasureAnalysis, each: ClassAnalysis): Html {
  return html`<h3>${title}: every case against ${each.reference}</h3>
<p class="soft">${each.title}</p>
${tableOf(
  [
    { title: 'case', kind: 'name' },
    { title: `times ${measure(name).comparative}`, kind: 'figure' },
    { title: 'interval', kind: 'figure' },
    { title: 'p, by Holm', kind: 'figure' },
    { title: 'Cliff’s δ', kind: 'figure' },
    { title: 'blocks', kind: 'figure' },
    { title: 'verdict' },
  ],
  each.comparisons.map((held) => [
    held.case,
    held.ratio === undefined ? undefined : formatRatio(held.ratio),
    held.interval && formatInterval(held.interval, formatRatio),
    formatP(held.adjustedP),
    held.cliffsDelta?.toFixed(2),
    `${held.blocks}`,
    VERDICTS[held.verdict],
  ]),
)}`
}

export function inconclusiveSection({ inconclusive }: Analysis): Section {
  return {
    id: 'inconclusive',
    title: 'What cannot be concluded, and why',
    body:
      inconclusive.length === 0
        ? html`<p>Nothing was left open.</p>`
        : html`<dl class="stack">${inconclusive.map(({ subject, why }) => html`<dt>${subject}</dt><dd>${why}.</dd>`)}</dl>`,
  }
}

export function recommendationsSection({ recommendations }: Analysis): Section | undefined {
  if (recommendations.length === 0) return undefined
  return {
    id: 'recommendations',
    title: 'What to choose on each tier',
    body: html`${tableOf(
      [{ title: 'tier' }, { title: 'among' }, { title: 'recommendation', kind: 'words' }],
      recommendations.map((each) => [each.tier, each.class, each.sentence]),
    )}
<p><small>By ${measure(recommendations[0]!.measure).title.toLowerCase()} alone. The best of many looks a little better than it is: a second study of the best few shows by how much.</small></p>`,
  }
}
