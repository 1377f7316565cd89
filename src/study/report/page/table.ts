import { type Html, html } from './html.ts'

export interface Column {
  title: string
  /** Figures stand to the right; a sentence gets room. */
  kind?: 'figure' | 'words'
}

export type Cell = Html | string | undefined

/** A table that scrolls by itself where the page is narrower. */
export function tableOf(columns: readonly Column[], rows: readonly (readonly Cell[])[]): Html {
  const classes = columns.map(({ kind }) =>
    kind === 'figure' ? 'n' : kind === 'words' ? 'words' : '',
  )
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
