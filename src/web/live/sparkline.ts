import { type Html, html } from '../../lib/html.ts'
import { rateText } from './figures.ts'
import type { History } from './state.ts'

// Units of the drawing; the style gives it its size on the page.
const WIDTH = 240
const HEIGHT = 48
const SECONDS = 60

/** Transactions per second over the last minute, with a line at the capacity where there is one; a gap where nothing was read. */
export function sparkline(history: History, capacity?: number): Html {
  const known = history.filter((value) => value !== null)
  if (known.length === 0) return html`<p class="spark none">Nothing has been read yet.</p>`
  const most = Math.max(...known)
  const top = Math.max(most, capacity ?? 0, 1) * 1.05
  const x = (index: number) => ((SECONDS - history.length + index + 1) * WIDTH) / SECONDS
  const y = (value: number) => HEIGHT - (value * HEIGHT) / top
  const label = `Transactions per second in the last ${history.length} s: from ${rateText(Math.min(...known))} to ${rateText(most)}, now ${words(history.at(-1))}${capacity === undefined ? '' : `; capacity ${rateText(capacity)}`}`
  return html`<svg class="spark" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${label}">${
    capacity !== undefined &&
    html`<line class="capacity" x1="0" x2="${WIDTH}" y1="${fixed(y(capacity))}" y2="${fixed(y(capacity))}"/>`
  }${stretches(history).map(({ from, values }) => {
    const points = values.map((value, index) => `${fixed(x(from + index))},${fixed(y(value))}`)
    const [left, right] = [fixed(x(from)), fixed(x(from + values.length - 1))]
    return html`<path class="area" d="M${left},${HEIGHT} L${points.join(' L')} L${right},${HEIGHT} Z"/><polyline class="line" points="${points.join(' ')}"/>`
  })}</svg><p class="scale" aria-hidden="true">last ${history.length} s, at most ${rateText(most)}</p>`
}

/** How much of a capacity is used, as a bar; the figures stand beside it. */
export function bar(share: number): Html {
  const state = share >= 1 ? 'over' : share >= 0.8 ? 'high' : 'fine'
  return html`<svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="all" width="100" height="4"/><rect class="${state}" width="${fixed(Math.min(1, share) * 100)}" height="4"/></svg>`
}

/** Unbroken rows of values. */
function stretches(history: History): { from: number; values: number[] }[] {
  const found: { from: number; values: number[] }[] = []
  for (const [index, value] of history.entries()) {
    if (value === null) continue
    const last = found.at(-1)
    if (last && last.from + last.values.length === index) last.values.push(value)
    else found.push({ from: index, values: [value] })
  }
  return found
}

function words(value: number | null | undefined): string {
  return value === null || value === undefined ? 'not known' : rateText(value)
}

function fixed(value: number): string {
  return String(Math.round(value * 10) / 10)
}
