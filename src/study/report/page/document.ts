import { type Html, html } from '../../../lib/html.ts'
import { STYLE } from './style.ts'

export interface Section {
  id: string
  title: string
  body: Html
}

/** One study, or two that are held beside each other. */
export interface Chapter {
  id: string
  title: string
  /** What is to be read first. */
  header: Html
  sections: readonly Section[]
}

/** One page that asks for nothing else: no script, no font, no picture from anywhere. */
export function documentPage(chapters: readonly Chapter[], version: string): Html {
  const [first] = chapters
  const title = chapters.map((chapter) => chapter.title).join(', ')
  const places = chapters.length === 1 ? first!.sections : chapters
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title} · kvmio report</title>
<style>${STYLE}</style>
</head>
<body>
${chapters.length > 1 && html`<header>${contents(places)}</header>`}
${chapters.map((chapter) => chapterOf(chapter, chapters.length === 1 && contents(places)))}
<footer>Made by kvmio ${version}.</footer>
</body>
</html>
`
}

function contents(places: readonly { id: string; title: string }[]): Html {
  return html`<nav aria-label="Contents"><ul>
${places.map(
  ({ id, title }) => html`<li><a href="#${id}">${title}</a></li>
`,
)}</ul></nav>`
}

function chapterOf({ id, title, header, sections }: Chapter, nav: Html | false): Html {
  return html`<article id="${id}">
<header>
<h1>${title}</h1>
${header}
${nav}
</header>
<main>
${sections.map(
  ({ id, title, body }) => html`<section id="${id}">
<h2>${title}</h2>
${body}
</section>
`,
)}</main>
</article>`
}
