import { type Html, html } from '../../lib/html.ts'
import { time } from './figures.ts'
import { healthSection } from './health.ts'
import type { LiveParts } from './parts.ts'
import type { LiveState } from './state.ts'
import { runsSection, studiesSection } from './studies.ts'
import { tiersSection } from './tiers.ts'
import { vmsSection } from './vms.ts'

// Without scripts the page asks again by itself.
const RELOAD_SECONDS = 10

type Links = Pick<LiveParts, 'telemetryPath' | 'grafanaUrl'>

/** The page at `/` as it is sent first: whole, before any script runs. */
export function livePage(state: LiveState, links: Links): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>kvmio</title>
<link rel="icon" href="/live/icon.svg">
<link rel="stylesheet" href="/live/style.css">
<script src="/live/script.mjs" type="module"></script>
<noscript><meta http-equiv="refresh" content="${RELOAD_SECONDS}"></noscript>
</head>
<body>
<a class="skip" href="#live">To the figures</a>
<header>
<h1>kvmio <small>${state.version}</small></h1>
<p class="about">Each disk transaction of qemu-kvm guests, counted at every layer between the guest and the platter.</p>
<nav aria-label="Elsewhere"><ul>
<li><a href="${links.telemetryPath}">Metrics</a></li>
${links.grafanaUrl !== undefined && html`<li><a href="${links.grafanaUrl}" rel="noreferrer">Grafana</a></li>`}
<li><a href="/docs/">Docs</a></li>
<li><a href="/api/v1/status">JSON</a></li>
</ul></nav>
<p class="controls"><span id="connection" role="status">As of ${time(state.at)}.</span>
<button type="button" id="pause" aria-pressed="false" hidden>Pause</button></p>
</header>
<main id="live" tabindex="-1" data-version="${state.version}">${liveSections(state)}</main>
</body>
</html>
`
}

/** What of the page changes: each event has it whole. */
export function liveSections(state: LiveState): Html {
  const { at, notReady } = state
  return html`${notReady !== undefined && html`<p class="banner" data-key="banner">${notReady}</p>`}
${studiesSection(state.studies, at)}
${tiersSection(state.tiers)}
${vmsSection(state.vms, at)}
${runsSection(state.runs)}
${healthSection(state.health, at)}
<p class="about" data-key="at">As of ${time(at)}. “tps” are transactions per second of the last second, at layers and in latencies the mean of the last ten.</p>`
}
