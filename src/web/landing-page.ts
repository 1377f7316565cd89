import { escapeHtml } from '../lib/html.ts'

/** What the page shows: tables by title, each a list of rows with the same columns. */
export type Status = Readonly<Record<string, readonly Readonly<Record<string, string | number>>[]>>

/** The page for people at `/`: one file that asks for nothing else. */
export function landingPage(version: string, telemetryPath: string, status: Status): string {
  const tables = Object.entries(status).map(([title, rows]) => table(title, rows))
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>kvmio</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
  body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
  section { overflow-x: auto }
  table { border-collapse: collapse; font-variant-numeric: tabular-nums }
  th, td { padding: .2rem 1rem .2rem 0; text-align: left; border-bottom: 1px solid #8886 }
  p.none { opacity: .7 }
</style>
<h1>kvmio <small>${escapeHtml(version)}</small></h1>
<p>Counts each disk transaction of qemu-kvm guests at every layer between the guest and the platter.</p>
<nav><a href="${escapeHtml(telemetryPath)}">Metrics</a> · <a href="/-/healthy">Healthy</a> · <a href="/-/ready">Ready</a></nav>
<main>
${tables.join('\n')}
</main>
</html>
`
}

function table(title: string, rows: Status[string]): string {
  const [first] = rows
  const heading = `<h2>${escapeHtml(title)}</h2>`
  if (!first) return `<section>${heading}<p class="none">None now.</p></section>`
  const columns = Object.keys(first)
  const head = columns.map((column) => `<th scope="col">${escapeHtml(column)}</th>`).join('')
  const body = rows
    .map((row) =>
      columns.map((column) => `<td>${escapeHtml(String(row[column] ?? ''))}</td>`).join(''),
    )
    .map((cells) => `<tr>${cells}</tr>`)
  return `<section>${heading}<table><thead><tr>${head}</tr></thead><tbody>
${body.join('\n')}
</tbody></table></section>`
}
