import { readFile } from 'node:fs/promises'
import { catalog } from '../../src/metrics/catalog.ts'

const file = new URL('../../README.md', import.meta.url)
const MARKERS = /(?<=<!-- metrics:begin -->\n).*?(?=<!-- metrics:end -->)/s

/** README with its table of metrics as the catalog has them. */
export async function generate() {
  return { file, text: withTable(await readFile(file, 'utf8'), catalog) }
}

/** Puts the table of these families between a text's markers. */
export function withTable(text, families) {
  if (!MARKERS.test(text)) {
    throw new Error('README.md: expected the lines <!-- metrics:begin --> and <!-- metrics:end -->')
  }
  // A function, since a $ in the text of a replacement has a meaning.
  return text.replace(MARKERS, () => `\n${table(families)}\n\n`)
}

function table(families) {
  const rows = families.map(({ name, type, labels, help }) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(', '),
    help
      .replaceAll('|', '\\|')
      .replaceAll('*', '\\*')
      .replaceAll('_', '\\_')
      .replaceAll('<', '&lt;'),
  ])
  const head = [
    ['metric', 'type', 'labels', 'what it is'],
    ['---', '---', '---', '---'],
  ]
  return [...head, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
