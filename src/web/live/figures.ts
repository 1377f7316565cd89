import { type Html, html } from '../../lib/html.ts'
import { formatSeconds } from '../../lib/quantities.ts'

// Each figure stands in <data> with its exact value, for whoever reads the page by a program.

/** Transactions per second, or a dash for what is not known. */
export function rate(value: number | undefined): Html {
  return figure(value, rateText)
}

/** A count of transactions. */
export function count(value: number | undefined): Html {
  return figure(value, (value) => Math.round(value).toLocaleString('en-US'))
}

/** How long one transaction took. */
export function latency(value: number | undefined): Html {
  return figure(value, latencyText)
}

/** `7.4`, `98`, `12,345`. */
export function rateText(value: number): string {
  return value < 10
    ? String(Math.round(value * 10) / 10)
    : Math.round(value).toLocaleString('en-US')
}

/** `85 µs`, `1.27 ms`, `12.3 ms`, `1.4 s`. */
export function latencyText(seconds: number): string {
  const [amount, unit] =
    seconds < 1e-3
      ? [seconds * 1e6, 'µs']
      : seconds < 1
        ? [seconds * 1e3, 'ms']
        : ([seconds, 's'] as const)
  return `${Number(amount.toPrecision(3)).toLocaleString('en-US')} ${unit}`
}

/** A span of time in whole seconds: `0 s`, `12 s`, `4 min 5 s`. */
export function spanText(seconds: number): string {
  return seconds < 1 ? '0 s' : formatSeconds(Math.floor(seconds))
}

/** `2026-11-29 07:20:13 UTC`, as the log has it. */
export function time(at: number): Html {
  const iso = new Date(Math.round(at) * 1000).toISOString()
  return html`<time datetime="${iso}">${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC</time>`
}

function figure(value: number | undefined, text: (value: number) => string): Html {
  if (value === undefined) return html`<span class="none">–</span>`
  return html`<data value="${String(value)}">${text(value)}</data>`
}
