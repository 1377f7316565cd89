import { type Html, html } from '../../lib/html.ts'
import { spanText, time } from './figures.ts'
import type { RunState, StudyState } from './state.ts'

const PAUSED = { request: 'is paused', space: 'is paused: too little space' }

export function studiesSection(studies: readonly StudyState[], at: number): Html {
  return html`<section id="studies" aria-labelledby="studies-heading"><h2 id="studies-heading">Studies</h2>
${studies.length === 0 ? html`<p class="none">None goes on now.</p>` : html`<div class="cards wide">${studies.map((study) => card(study, at))}</div>`}</section>`
}

function card(
  { name, run, paused, waiting, done, of, planned, left }: StudyState,
  at: number,
): Html {
  return html`<article class="card" data-key="study ${name}" data-study="${name}">
<h3>${name}</h3>
<p class="about">${
    run
      ? html`Runs <strong data-figure="case">${run.case}</strong>, block ${run.block}, run <span data-figure="run">${run.id}</span>${run.startedAt !== undefined && `, for ${spanText(at - run.startedAt)}`}`
      : paused !== undefined
        ? html`<strong>${PAUSED[paused]}</strong>`
        : waiting !== undefined
          ? html`Waits for ${waiting}`
          : 'Between two runs'
  }</p>
${
  done !== undefined &&
  of !== undefined &&
  html`<progress max="${of}" value="${done}" aria-label="Runs of ${name} that are done"></progress>
<p><span data-figure="done">${done}</span> of <span data-figure="of">${of}</span> runs ${planned === undefined && 'of this block '}done${
    left !== undefined &&
    left >= 1 &&
    html`, about <span data-figure="left">${spanText(left)}</span> left`
  }</p>`
}
</article>`
}

export function runsSection(runs: readonly RunState[]): Html {
  return html`<section id="runs" aria-labelledby="runs-heading"><h2 id="runs-heading">Last results</h2>
${
  runs.length === 0
    ? html`<p class="none">No run has ended yet.</p>`
    : html`<div class="table" role="region" aria-labelledby="runs-heading" tabindex="0"><table class="runs">
<thead><tr><th scope="col">run</th><th scope="col">study</th><th scope="col">case</th><th scope="col">outcome</th><th scope="col" class="n">vms</th><th scope="col">phases</th><th scope="col">ended</th></tr></thead>
<tbody>${runs.map(runRow)}</tbody></table></div>`
}</section>`
}

function runRow({
  id,
  study,
  case: name,
  block,
  outcome,
  reason,
  endedAt,
  vms,
  phases,
}: RunState): Html {
  const state = outcome === 'passed' ? 'good' : outcome === 'failed' ? 'bad' : 'open'
  const took = Object.entries(phases).map(([phase, seconds]) => `${phase} ${seconds.toFixed(1)} s`)
  return html`<tr data-key="run ${id}" data-run="${id}"><th scope="row">${id}</th><td>${study} <small>block ${block}</small></td><td>${name}</td>
<td><span class="${state}" data-figure="outcome">${outcome}</span>${reason !== undefined && html` <small class="reason">${reason}</small>`}</td>
<td class="n">${vms}<span class="unit"> ${vms === 1 ? 'vm' : 'vms'}</span></td><td class="phases">${took.join(', ')}</td><td class="when">${time(endedAt)}</td></tr>
`
}
