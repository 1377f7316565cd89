import { type Html, html } from '../../lib/html.ts'
import { formatBytes } from '../../lib/quantities.ts'
import { latency, latencyText, rate } from './figures.ts'
import { bar, sparkline } from './sparkline.ts'
import type { CalibrationState, Room, TierState } from './state.ts'

export function tiersSection(tiers: readonly TierState[]): Html {
  return html`<section id="tiers" aria-labelledby="tiers-heading"><h2 id="tiers-heading">Tiers</h2>
${
  tiers.length === 0
    ? html`<p class="none">No tier: the config has none, and no vm was found.</p>`
    : html`<div class="cards">${tiers.map(card)}</div>`
}</section>`
}

function card(tier: TierState): Html {
  const { name, kind, filesystem, device, found, unavailable, flow, capacity } = tier
  const about = [kind, filesystem, device && `on ${device}`, found && 'found'].filter(Boolean)
  const share = capacity && flow.now !== undefined ? flow.now / capacity : undefined
  return html`<article class="card" data-key="tier ${name}" data-tier="${name}">
<h3>${name}</h3>
<p class="about">${about.join(', ')}</p>
${unavailable !== undefined && html`<p class="bad">Unavailable: ${unavailable}</p>`}
<p class="headline"><strong data-figure="now">${rate(flow.now)}</strong> ${
    capacity === undefined
      ? 'tps'
      : html`of <span data-figure="capacity">${rate(capacity)}</span> tps`
  }${tier.capacitySource === 'calibrated' && html` <small>calibrated</small>`}${share !== undefined && html` <span class="share">${Math.round(share * 100)} %</span>`}</p>
${share !== undefined && bar(share)}
${device === undefined ? html`<p class="none">No block device of this host’s, so no transactions are known.</p>` : sparkline(tier.history, capacity)}
<dl>${row('Mean of 10 s', html`<span data-figure="mean">${rate(flow.mean)}</span> tps`)}
${row('Latency', html`<span data-figure="latency" class="${isLate(tier) ? 'bad' : ''}">${latency(flow.latency)}</span>${target(tier)}`)}
${row('Vms', html`<span data-figure="vms">${tier.vms}</span>`)}
${roomRows(tier.room)}
${tier.calibration && calibrationRows(tier.calibration)}
${tier.space && row('Space', html`<span data-figure="available"><data value="${tier.space.availableBytes}">${formatBytes(tier.space.availableBytes)}</data></span> of ${formatBytes(tier.space.sizeBytes)} free`)}</dl>
</article>`
}

function roomRows(room: Room | undefined): Html | undefined {
  if (!room) return undefined
  const { vms, headroom, bound, method } = room
  const how = [method, bound && `bound by ${bound}`].filter(Boolean).join(', ')
  return html`${vms !== undefined && row('Density', html`<span data-figure="density">${vms}</span> ${vms === 1 ? 'vm' : 'vms'} <small>${how}</small>`)}
${headroom !== undefined && row('Headroom', headroomText(headroom))}`
}

function headroomText(headroom: number): Html {
  const figure = html`<data value="${headroom}">${Math.abs(headroom)}</data>`
  return headroom < 0
    ? html`<span class="bad"><span data-figure="headroom">${figure}</span> too many</span>`
    : html`<span data-figure="headroom">${figure}</span> more`
}

function calibrationRows({ classes }: CalibrationState): Html[] {
  return classes.map(({ class: name, capacity, peak }) =>
    row(
      name,
      capacity === undefined
        ? html`at most ${rate(peak)} tps`
        : html`${rate(capacity)} tps <small>at most ${rate(peak)}</small>`,
    ),
  )
}

function isLate({ flow, targetLatency }: TierState): boolean {
  return targetLatency !== undefined && flow.latency !== undefined && flow.latency > targetLatency
}

function target(tier: TierState): Html | undefined {
  if (tier.targetLatency === undefined) return undefined
  const { targetLatency: given } = tier
  return html` <small>target ${latencyText(given)}${isLate(tier) && ', missed'}</small>`
}

function row(term: string, value: Html): Html {
  return html`<div><dt>${term}</dt><dd>${value}</dd></div>`
}
