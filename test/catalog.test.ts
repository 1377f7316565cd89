import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { catalog } from '../src/metrics/catalog.ts'
import type { Family, Sample } from '../src/metrics/family.ts'
import { pageOf } from './metrics/exposition.ts'
import { findTool, lacking } from './tools.ts'

// @ts-expect-error: plain JavaScript, since scripts run before TypeScript is there
const { generate, withTable } = await import('../scripts/generate/metrics-table.mjs')

/** What a name ends in when it counts a thing of its own. */
const THINGS =
  /_(now|up|vms|cpus|length|outcome|phase|available|running|planned|paused|success|successful|info|operations|requests|completed|merged|samples|runs|blocks|errors|faults|discards|accesses|threads|fds|score)$/
const BASE_UNITS = /_(seconds|bytes|ratio|per_second)$/
const OTHER_UNITS =
  /_(milliseconds|microseconds|nanoseconds|minutes|hours|ms|us|ns|kilobytes|megabytes|kb|kib|mib|sectors|percent|iops|tps)(_|$)/

t.test('names', async (t) => {
  for (const { name, type } of catalog) {
    t.match(name, /^kvmio_[a-z][a-z0-9_]*[a-z0-9]$/)
    t.equal(name.endsWith('_total'), type === 'counter', `${name}: _total marks counters`)
    t.notMatch(name, OTHER_UNITS)
    const stem = name.replace(/_total$/, '')
    t.ok(BASE_UNITS.test(stem) || THINGS.test(stem), `${name} ends in a base unit or a thing`)
    t.notMatch(name, /_(count|sum|bucket)$/, `${name}: these ends belong to histograms`)
  }
})

t.test('each name once, also those that a histogram makes', async (t) => {
  const names = catalog.flatMap(({ name, type }) =>
    type === 'histogram' ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  )
  t.strictSame(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  )
})

t.test('labels and help', async (t) => {
  for (const { name, labels, help } of catalog) {
    t.equal(new Set(labels).size, labels.length, `${name}: each label once`)
    for (const label of labels) t.match(label, /^[a-z][a-z0-9_]*$/, `${name}{${label}}`)
    t.notOk(labels.includes('le') || labels.includes('job') || labels.includes('instance'), name)
    t.match(help, /^[^\n]*\S\.$/, `${name}: the help is one line and ends with a full stop`)
  }
})

t.test('promtool accepts a page with every family', { skip: lacking('promtool') }, async (t) => {
  const page = pageOf(catalog.map(someSample))
  for (const { name } of catalog) t.match(page, `\n# TYPE ${name} `.slice(1))
  t.equal(execFileSync(findTool('promtool')!, ['check', 'metrics'], { input: page }).toString(), '')
})

t.test('the table in README is the catalog (npm run snap)', async (t) => {
  const { file, text } = await generate()
  t.equal(await readFile(file, 'utf8'), text)
})

t.test('the table stands between its markers', async (t) => {
  const families = [
    { name: 'a_total', type: 'counter', labels: ['vm', 'drive'], help: 'Costs $& | *x_y*.' },
    { name: 'b', type: 'gauge', labels: [], help: 'Two.' },
  ]
  const table = `
| metric | type | labels | what it is |
| --- | --- | --- | --- |
| \`a_total\` | counter | \`vm\`, \`drive\` | Costs $& \\| \\*x\\_y\\*. |
| \`b\` | gauge |  | Two. |

`
  const made = `before\n<!-- metrics:begin -->\n${table}<!-- metrics:end -->\nafter\n`
  t.equal(
    withTable('before\n<!-- metrics:begin -->\nold\n<!-- metrics:end -->\nafter\n', families),
    made,
  )
  t.equal(withTable(made, families), made, 'again')
  t.throws(() => withTable('no markers', families), {
    message: 'README.md: expected the lines <!-- metrics:begin --> and <!-- metrics:end -->',
  })
})

function someSample(family: Family): Sample {
  const labels = Object.fromEntries(family.labels.map((label) => [label, 'x']))
  const distribution = { bounds: [0.1, 1], counts: [1, 2], count: 2, sum: 0.7 }
  return { family, labels, value: family.type === 'histogram' ? distribution : 1 }
}
