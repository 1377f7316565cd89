import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Router } from 'express'
import { html } from '../../lib/html.ts'
import { route } from '../route.ts'
import { text } from '../text.ts'
import { sendHtml } from './send-html.ts'

/** `/docs/`: the documentation as it came with the program, as plain text, since a host may reach nothing else. */
export function docsRoutes(router: Router, folder: string): void {
  route(router, 'get', '/docs/', async (_request, response) => {
    const pages = await Promise.all((await names(folder)).map((name) => titled(folder, name)))
    const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>kvmio: docs</title>
<link rel="icon" href="/live/icon.svg">
<link rel="stylesheet" href="/live/style.css">
</head>
<body>
<header><h1>kvmio: docs</h1><nav aria-label="Elsewhere"><ul><li><a href="/">Live page</a></li></ul></nav></header>
<main><ul>
${pages.map(({ name, title }) => html`<li><a href="/docs/${encodeURIComponent(name)}">${title}</a></li>\n`)}</ul></main>
</body>
</html>
`
    sendHtml(response, page.text)
  })
  route(router, 'get', '/docs/:name', async (request, response) => {
    const { name } = request.params
    // Only what the folder lists, so that no name leads out of it.
    if (!(await names(folder)).includes(String(name))) {
      return text(response, 404, 'There is no such page; /docs/ has the list.')
    }
    response.type('text/plain').send(await readFile(join(folder, String(name)), 'utf8'))
  })
}

async function names(folder: string): Promise<string[]> {
  const entries = await readdir(folder).catch((): string[] => [])
  return entries.filter((name) => name.endsWith('.md')).sort()
}

async function titled(folder: string, name: string): Promise<{ name: string; title: string }> {
  const content = await readFile(join(folder, name), 'utf8')
  return { name, title: /^# (.+)$/m.exec(content)?.[1] ?? name }
}
