import { type Html, html } from '../../lib/html.ts'
import { formatBytes } from '../../lib/quantities.ts'
import { count, latency, rate, spanText } from './figures.ts'
import { sparkline } from './sparkline.ts'
import type { DriveState, LayerState, VmState } from './state.ts'

/** `at`: now, Unix seconds. */
export function vmsSection(vms: readonly VmState[], at: number): Html {
  return html`<section id="vms" aria-labelledby="vms-heading"><h2 id="vms-heading">Vms <small>${vms.length}</small></h2>
${
  vms.length === 0
    ? html`<p class="none">None runs now.</p>`
    : html`<div class="cards">${vms.map((vm) => card(vm, at))}</div>`
}</section>`
}

function card(vm: VmState, at: number): Html {
  const { name, manager, accelerator, memoryBytes, drives, flow, layers } = vm
  const about = [
    manager !== 'kvmio' && `found, ${manager}`,
    accelerator,
    memoryBytes !== undefined && formatBytes(memoryBytes),
  ].filter(Boolean)
  const now = phase(vm, at)
  return html`<article class="card" data-key="vm ${name}" data-vm="${name}">
<h3>${name}</h3>
<p class="about">${now}${now !== undefined && about.length > 0 && ' · '}${about.join(', ')}</p>
<p class="headline"><strong data-figure="now">${rate(flow.now)}</strong> tps</p>
${sparkline(vm.history)}
${layers.length > 0 && layerTable(name, layers)}
<ul class="drives">${drives.map(drive)}</ul>
</article>`
}

function phase({ manager, phase }: VmState, at: number): Html | undefined {
  if (phase)
    return html`<span class="phase" data-figure="phase">${phase.name}</span> for ${spanText(at - phase.startTime)}`
  return manager === 'kvmio'
    ? html`<span class="phase" data-figure="phase">starting</span>`
    : undefined
}

function layerTable(vm: string, layers: readonly LayerState[]): Html {
  return html`<table class="layers"><caption class="unseen">What ${vm} did at each layer</caption>
<thead><tr><th scope="col">layer</th><th scope="col" class="n">tps</th><th scope="col" class="n">latency</th><th scope="col" class="n">in all</th></tr></thead>
<tbody>${layers.map(
    ({
      layer,
      device,
      flow,
      transactions,
    }) => html`<tr data-key="${layer} ${device}" data-layer="${layer}">
<th scope="row">${layer}${device !== undefined && html` <small>${device}</small>`}</th>
<td class="n" data-figure="mean">${rate(flow.mean)}</td><td class="n" data-figure="latency">${latency(flow.latency)}</td>
<td class="n" data-figure="transactions">${layer === 'device' ? html`<small>shared</small>` : count(transactions)}</td></tr>
`,
  )}</tbody></table>`
}

function drive({ name, tier, pci, bus, format, cache }: DriveState): Html {
  const how = [bus, format, cache && `cache ${cache}`, pci].filter(Boolean).join(', ')
  return html`<li>${name}: ${how}${tier !== '' && html` on ${tier}`}</li>`
}
