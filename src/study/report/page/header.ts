import type { Analysis } from '../analysis.ts'
import { count, list } from '../format.ts'
import type { StudyResults } from '../record.ts'
import { type Html, html } from './html.ts'

const SHOWN = 8

/** What was measured where, and what came of it, in that order for a reader of one screen. */
export function studyHeader(study: StudyResults, analysis: Analysis): Html {
  const { runs, cases } = study
  const { passed, all } = analysis.runs
  const accelerators = [...new Set(cases.map(({ accelerator }) => accelerator.toUpperCase()))]
  const first = runs[0]
  return html`<p class="soft">${[
    count(cases.length, 'case'),
    count(analysis.blocks, 'block'),
    `${passed} of ${count(all, 'run')} passed`,
    list(accelerators),
    first && `host ${String(first.manifest.host ?? 'unknown')}`,
    datesOf(study),
  ]
    .filter(Boolean)
    .join(' · ')}</p>
${analysis.scale !== undefined && html`<p class="banner"><strong>Scaled down:</strong> ${analysis.scale}</p>`}
${accelerators.includes('TCG') && html`<p class="banner"><strong>TCG:</strong> these guests ran on an emulated processor. Times are not those of KVM guests.</p>`}
${verdicts(analysis)}`
}

function verdicts({ conclusions, inconclusive, measures, paper }: Analysis): Html {
  const primary = conclusions.filter(({ measure }) => measure === measures[0]?.name)
  const shown = [...primary, ...conclusions.filter((each) => !primary.includes(each))]
  const more = shown.length - SHOWN
  const agreements = paper && paperLine(paper)
  if (shown.length === 0) {
    const [why] = inconclusive.filter(({ subject }) => subject.includes(' against '))
    return html`<ul class="verdicts"><li class="none"><strong>Nothing can be concluded.</strong> ${why && `${why.subject}: ${why.why}.`}</li>${agreements}</ul>`
  }
  return html`<ul class="verdicts">
${shown.slice(0, SHOWN).map(
  ({ kind, sentence }) => html`<li class="${kind}">${sentence}.</li>
`,
)}${agreements}</ul>
${more > 0 && html`<p class="soft">And ${count(more, 'more conclusion')} below.</p>`}`
}

function paperLine({ figure, claims }: NonNullable<Analysis['paper']>): Html {
  const of = (agreement: string) => claims.filter((claim) => claim.agreement === agreement).length
  const parts = [
    `agrees with ${of('agrees')}`,
    `disagrees with ${of('disagrees')}`,
    `cannot decide ${of('open')}`,
    `did not measure ${of('not measured')}`,
  ]
  return html`<li class="none">${figure}: of ${count(claims.length, 'finding')} of the paper, this host ${list(parts)}.</li>`
}

function datesOf({ runs }: StudyResults): string | undefined {
  const days = runs.map(({ startedAt }) => new Date(startedAt * 1000).toISOString().slice(0, 10))
  const [first, last] = [days[0], days.at(-1)]
  return first === last ? first : `${first} to ${last}`
}
