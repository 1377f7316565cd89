import type { Analysis } from '../analysis.ts'
import { formatP, sentenceOf } from '../conclusions.ts'
import { formatInterval, formatRatio } from '../format.ts'
import { measure } from '../measures.ts'
import type { Section } from './document.ts'
import { html } from './html.ts'
import { tableOf } from './table.ts'

const VERDICTS = {
  differs: 'differs',
  same: 'the same',
  open: 'cannot be said',
  few: 'too few blocks',
  none: 'nothing to compare',
} as const

export function conclusionsSection({ conclusions, measures }: Analysis): Section {
  const rows = measures.flatMap(({ name, title, classes }) =>
    classes.flatMap(({ title: of, comparisons }) =>
      comparisons.map((held) => [
        html`${held.case} <span class="soft">over</span> ${held.reference}`,
        title,
        held.ratio === undefined
          ? undefined
          : `${formatRatio(held.ratio)} times ${measure(name).comparative}`,
        held.interval && formatInterval(held.interval, formatRatio),
        formatP(held.adjustedP),
        held.cliffsDelta?.toFixed(2),
        `${held.blocks}`,
        VERDICTS[held.verdict],
        of,
      ]),
    ),
  )
  return {
    id: 'conclusions',
    title: 'What can be concluded',
    body: html`${
      conclusions.length === 0
        ? html`<p>Nothing.</p>`
        : html`<ul>${conclusions.map((each) => html`<li>${sentenceOf(each)}.</li>`)}</ul>`
    }
${rows.length > 0 && html`<h3>Every case against its reference</h3>`}
${
  rows.length > 0 &&
  tableOf(
    [
      { title: 'case' },
      { title: 'measure' },
      { title: 'ratio' },
      { title: 'interval', kind: 'figure' },
      { title: 'p (Holm)', kind: 'figure' },
      { title: 'Cliff’s δ', kind: 'figure' },
      { title: 'blocks', kind: 'figure' },
      { title: 'verdict' },
      { title: 'class' },
    ],
    rows,
  )
}`,
  }
}

export function inconclusiveSection({ inconclusive }: Analysis): Section {
  return {
    id: 'inconclusive',
    title: 'What cannot be concluded, and why',
    body:
      inconclusive.length === 0
        ? html`<p>Nothing was left open.</p>`
        : html`<dl>${inconclusive.map(({ subject, why }) => html`<dt>${subject}</dt><dd>${why}.</dd>`)}</dl>`,
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
