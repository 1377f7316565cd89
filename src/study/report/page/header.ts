import { type Html, html } from '../../../lib/html.ts'
import type { Analysis } from '../analysis.ts'
import { count, list } from '../format.ts'
import type { StudyResults } from '../record.ts'

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

function verdicts(analysis: Analysis): Html {
  const { conclusions, measures, recommendations, paper } = analysis
  const rank = ({ measure, kind }: (typeof conclusions)[number]) =>
    (measure === measures[0]?.name ? 0 : 2) + (kind === 'differs' ? 0 : 1)
  const shown = conclusions.toSorted((a, b) => rank(a) - rank(b))
  const more = shown.length - SHOWN
  return html`<ul class="verdicts">
${shown.slice(0, SHOWN).map(
  ({
    kind,
    claim,
    basis,
  }) => html`<li class="${kind}"><strong>${claim}</strong><br><small>${basis}</small></li>
`,
)}${shown.length === 0 && nothing(analysis)}
${recommendations.map(({ tier, best, sentence, class: of }) =>
  best === undefined
    ? undefined
    : html`<li class="same"><strong>On tier ${tier}:</strong> ${sentence}<br><small>${of}</small></li>
`,
)}${paper && paperLine(paper)}</ul>
${more > 0 && html`<p class="soft">And ${count(more, 'more conclusion')} below.</p>`}`
}

/** With the first of the comparisons that were left open, or of all else that stands in the way. */
function nothing({ inconclusive, measures }: Analysis): Html {
  const compared = inconclusive.find(({ subject }) => subject.startsWith(`${measures[0]?.title}: `))
  const why = compared ?? inconclusive.at(0)
  return html`<li class="none"><strong>Nothing can be concluded.</strong>${why && ` ${why.subject}: ${why.why}.`}</li>`
}

function paperLine({ figure, claims }: NonNullable<Analysis['paper']>): Html {
  const WORDS = {
    agrees: 'agrees with',
    disagrees: 'disagrees with',
    open: 'cannot decide',
    'not measured': 'did not measure',
  }
  const parts = Object.entries(WORDS).flatMap(([agreement, words]) => {
    const those = claims.filter((claim) => claim.agreement === agreement)
    return those.length === 0 ? [] : [`${words} ${those.length}`]
  })
  return html`<li class="none"><strong>${figure}:</strong> of ${count(claims.length, 'finding')}, this host ${list(parts)}.</li>`
}

function datesOf({ runs }: StudyResults): string | undefined {
  const days = runs.map(({ startedAt }) => new Date(startedAt * 1000).toISOString().slice(0, 10))
  const [first, last] = [days[0], days.at(-1)]
  return first === last ? first : `${first} to ${last}`
}
