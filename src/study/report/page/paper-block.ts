import { type Html, html } from '../../../lib/html.ts'
import type { Agreement, PaperCheck } from '../paper-check.ts'
import { tableOf } from './table.ts'

const WORDS: Record<Agreement, string> = {
  agrees: 'agrees',
  disagrees: 'disagrees',
  open: 'cannot be said',
  'not measured': 'not measured',
}

/** What the paper found, what this host shows, and whether they agree. */
export function paperBlock({ figure, title, setting, claims }: PaperCheck): Html {
  return html`<h3>${figure}: ${title}</h3>
<p><small>${setting}.</small></p>
${tableOf(
  [
    { title: 'this host' },
    { title: 'the paper found', kind: 'words' },
    { title: 'this host shows', kind: 'words' },
  ],
  claims.map(({ found, agreement, shows }) => [
    html`<span class="${agreement === 'not measured' ? 'soft' : agreement}">${WORDS[agreement]}</span>`,
    found,
    shows.length === 0
      ? 'no cases that this is about'
      : html`${shows.map(({ sentence }, index) => html`${index > 0 && html`<br>`}${sentence}`)}`,
  ]),
)}`
}
