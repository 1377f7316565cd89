import { type Html, html } from '../../../lib/html.ts'

const CLASSES = { figure: 'n', name: 'name', words: 'words' } as const

export interface Column {
  title: string
  /** Figures stand to the right; a name and a sentence get room. */
  kind?: keyof typeof CLASSES
}

export type Cell = Html | string | undefined

/** A table that scrolls by itself where the page is narrower. */
export function tableOf(columns: readonly Column[], rows: readonly (readonly Cell[])[]): Html {
  const classes = columns.map(({ kind }) => (kind === undefined ? '' : CLASSES[kind]))
  return html`<div class="table" tabindex="0"><table>
<thead><tr>${columns.map(({ title }, index) => html`<th scope="col" class="${classes[index]!}">${title}</th>`)}</tr></thead>
<tbody>
${rows.map(
  (
    row,
  ) => html`<tr>${row.map((cell, index) => html`<td class="${classes[index]!}">${cell}</td>`)}</tr>
`,
)}</tbody></table></div>`
}
