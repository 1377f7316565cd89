import { type Html, html } from '../../lib/html.ts'
import { latencyText, spanText, time } from './figures.ts'
import type { CollectorState, HealthState } from './state.ts'

export function healthSection(
  { collectors, hanging, config, secondAt }: HealthState,
  at: number,
): Html {
  const failing = collectors.filter(({ success }) => success === false).length
  return html`<section id="health" aria-labelledby="health-heading"><h2 id="health-heading">Health</h2>
<p>${
    failing === 0
      ? html`<span class="good">All collectors read their sources.</span>`
      : html`<span class="bad">${failing === 1 ? '1 collector fails.' : `${failing} collectors fail.`}</span>`
  } Counters are read each second, the last time ${secondAt === undefined ? 'never' : `${spanText(at - secondAt)} ago`}.
${
  config.reloaded
    ? html`The config is ${config.file} as of ${time(config.reloadedAt)}.`
    : html`<span class="bad">${config.file} has mistakes; the config of ${time(config.reloadedAt)} is in force.</span>`
}</p>
${hanging.length > 0 && html`<p class="bad">Asked without an answer: ${hanging.join('; ')}</p>`}
<ul class="collectors">${collectors.map((collector) => item(collector, at))}</ul></section>`
}

function item({ name, success, seconds, error }: CollectorState, at: number): Html {
  const [state, word] =
    success === undefined ? ['open', 'not yet'] : success ? ['good', 'ok'] : ['bad', 'fails']
  return html`<li data-key="collector ${name}" data-collector="${name}"><strong>${name}</strong> <span class="${state}" data-figure="success">${word}</span>${
    seconds !== undefined && html` <small>${latencyText(seconds)}</small>`
  }${error && html`<small class="reason"> ${spanText(at - error.at)} ago: ${error.message}</small>`}</li>
`
}
