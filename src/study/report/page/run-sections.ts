import { type Html, html } from '../../../lib/html.ts'
import { formatBytes, formatSeconds } from '../../../lib/quantities.ts'
import type { Analysis } from '../analysis.ts'
import { formatFigure, list } from '../format.ts'
import { measure } from '../measures.ts'
import type { StudyResults } from '../record.ts'
import type { Section } from './document.ts'
import { tableOf } from './table.ts'

export function runsSection({ runs }: StudyResults, { measures }: Analysis): Section {
  const flagged = new Set(
    measures.flatMap(({ classes }) =>
      classes.flatMap(({ cases }) =>
        cases.flatMap((each) => each.runs.flatMap(({ run, outlier }) => (outlier ? [run] : []))),
      ),
    ),
  )
  return {
    id: 'runs',
    title: 'Every run',
    body: html`<details><summary>${runs.length} runs, in the order in which they were started</summary>
${tableOf(
  [
    { title: 'run', kind: 'figure' },
    { title: 'block', kind: 'figure' },
    { title: 'case', kind: 'name' },
    { title: 'outcome' },
    ...measures.map(({ title, unit }) => ({ title: `${title}, ${unit}`, kind: 'figure' as const })),
    { title: 'whole run', kind: 'figure' },
    { title: 'remarks', kind: 'words' },
  ],
  runs.map((run) => [
    `${run.id}`,
    `${run.block}`,
    run.case,
    run.outcome,
    ...measures.map(({ name }) => {
      const value = measure(name).of(run)
      return value === undefined ? undefined : formatFigure(value)
    }),
    formatSeconds(run.seconds),
    [run.reason, ...run.remarks, flagged.has(run.id) && 'an outlier'].filter(Boolean).join('; '),
  ]),
)}</details>`,
  }
}

const TITLES: Record<string, string> = { memoryBytes: 'memory', cpus: 'processors' }

/** Of the first run; what another one had otherwise stands among what cannot be concluded. */
export function manifestSection({ runs, cases }: StudyResults): Section {
  const manifest = runs[0]?.manifest ?? {}
  return {
    id: 'manifest',
    title: 'On what it was measured',
    body: html`<dl>${Object.entries(manifest).map(([key, value]) => html`<dt>${TITLES[key] ?? key}</dt><dd>${manifestValue(key, value)}</dd>`)}</dl>
<details><summary>The cases</summary>
${tableOf(
  [
    { title: 'case', kind: 'name' },
    { title: 'tier' },
    { title: 'accelerator' },
    { title: 'durable' },
    { title: 'factors', kind: 'words' },
    { title: 'drive', kind: 'words' },
  ],
  cases.map(({ name, tier, accelerator, notDurable, factors, traits }) => [
    name,
    tier,
    accelerator,
    notDurable === undefined ? 'yes' : `no: ${notDurable}`,
    pairs(factors),
    pairs({ ...traits }),
  ]),
)}</details>`,
  }
}

function manifestValue(key: string, value: unknown): Html {
  if (key === 'memoryBytes') return html`${formatBytes(Number(value))}`
  if (typeof value !== 'object' || value === null) return html`${String(value)}`
  const entries = Object.entries(value)
  if (entries.every(([, inner]) => typeof inner !== 'object')) return html`${pairs({ ...value })}`
  return html`<details><summary>${list(entries.map(([name]) => name))}</summary><pre>${JSON.stringify(value, undefined, 2)}</pre></details>`
}

function pairs(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}: ${value}`)
    .join(', ')
}
