import { execFile } from 'node:child_process'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { readDashboards } from './dashboards.ts'

// @ts-expect-error: plain JavaScript, since scripts run before TypeScript is there
const { generate } = await import('../../scripts/generate/dashboards.mjs')
const exec = promisify(execFile)
const modules = join(import.meta.dirname, '../../node_modules')

t.test('the dashboards are as grafana/src makes them (npm run snap)', async (t) => {
  const made: { file: URL; text: string }[] = await generate()
  for (const { file, text } of made) t.equal(await readFile(file, 'utf8'), text, file.pathname)
  t.strictSame(
    (await readDashboards()).map(([name]) => name),
    made.map(({ file }) => file.pathname.split('/').at(-1)).sort(),
    'and there is no other',
  )
})

// What Grafana's schema has and the types of its SDK know: no more keys, and no other values. Strings of an enum are
// written as they are in JSON.
const HEAD = `
import type * as bargauge from '@grafana/grafana-foundation-sdk/bargauge'
import type * as dashboard from '@grafana/grafana-foundation-sdk/dashboard'
import type * as heatmap from '@grafana/grafana-foundation-sdk/heatmap'
import type * as prometheus from '@grafana/grafana-foundation-sdk/prometheus'
import type * as stat from '@grafana/grafana-foundation-sdk/stat'
import type * as statetimeline from '@grafana/grafana-foundation-sdk/statetimeline'
import type * as table from '@grafana/grafana-foundation-sdk/table'
import type * as timeseries from '@grafana/grafana-foundation-sdk/timeseries'

type Json<T> = T extends string ? \`\${T}\` : T extends (infer E)[] ? Json<E>[]
  : T extends object ? { [K in keyof T as T[K] extends () => void ? never : K]: Json<T[K]> } : T
type Field<C> = Omit<Json<dashboard.FieldConfig>, 'custom'> & { custom?: Json<C> }
interface Config<C> { defaults: Field<C>; overrides: Json<dashboard.FieldConfigSource['overrides']> }
type Of<T extends string, O, C> = Omit<Json<dashboard.Panel>, 'type' | 'targets' | 'options' | 'fieldConfig'>
  & { type: T; targets: Json<prometheus.Dataquery>[]; options: Json<O>; fieldConfig: Config<C> }
type Panel = Of<'timeseries', timeseries.Options, timeseries.FieldConfig>
  | Of<'stat', stat.Options, Record<string, never>>
  | Of<'bargauge', bargauge.Options, Record<string, never>>
  | Of<'heatmap', heatmap.Options, heatmap.FieldConfig>
  | Of<'state-timeline', statetimeline.Options, statetimeline.FieldConfig>
  | Of<'table', table.Options, table.FieldConfig>
  | Json<dashboard.RowPanel>
type Dashboard = Omit<Json<dashboard.Dashboard>, 'panels'> & { panels: Panel[] }
`

t.test('they are what the types of Grafana’s SDK say', async (t) => {
  const folder = t.testdir()
  await symlink(modules, join(folder, 'node_modules'))
  const check = async (named: [string, unknown][]) => {
    const own = join(folder, `case-${++cases}`)
    await mkdir(own)
    for (const [name, dashboard] of named) {
      const text = `${HEAD}\nexport const it: Dashboard = ${JSON.stringify(dashboard, null, 1)}\n`
      await writeFile(join(own, name.replace('.json', '.ts')), text)
    }
    const files = named.map(([name]) => join(own, name.replace('.json', '.ts')))
    const flags = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--module',
      'nodenext',
      '--ignoreConfig',
    ]
    // Without tap's hooks, which tsc's loader cannot take.
    const argv = [
      '-u',
      'NODE_OPTIONS',
      join(modules, '.bin/tsc'),
      ...flags,
      '--types',
      '',
      ...files,
    ]
    return exec('env', argv).then(
      () => '',
      ({ stdout, stderr }) => `${stdout}${stderr}`,
    )
  }
  const all = await readDashboards()
  t.equal(await check(all), '')

  const [, first] = all.find(([name]) => name === 'device.json')!
  for (const [change, message] of [
    [(d: typeof first) => (d.panels[3]!.options!.legends = {}), `'"legends"' does not exist`],
    [(d: typeof first) => (d.panels[3]!.targets![0]!.format = 'graph' as never), '"graph"'],
    [(d: typeof first) => (d.panels[3]!.type = 'graph'), '"graph"'],
    [(d: typeof first) => delete (d as Partial<typeof first>).schemaVersion, 'schemaVersion'],
  ] as const) {
    const bad = structuredClone(first)
    change(bad)
    t.match(await check([['bad.json', bad]]), message, `${change}`)
  }
})

let cases = 0

// Panels and transformations that Grafana 10.0 has; what is newer, an older one would show as an error.
const IN_GRAFANA_10 = {
  panels: ['bargauge', 'heatmap', 'row', 'stat', 'state-timeline', 'table', 'timeseries'],
  transformations: ['merge', 'organize'],
  overrides: ['byFrameRefID', 'byName'],
}

t.test('they use what Grafana 10 has', async (t) => {
  for (const [name, dashboard] of await readDashboards()) {
    const { panels, schemaVersion } = dashboard
    t.notMatch(JSON.stringify(dashboard), '"placement":"inControlsMenu"', 'nothing hides in a menu')
    t.equal(schemaVersion, 39, `${name}: the schema of Grafana 10 and 11, which later ones migrate`)
    for (const { title, type, transformations = [], fieldConfig } of panels) {
      t.ok(IN_GRAFANA_10.panels.includes(type), `${name}: ${title} is a ${type}`)
      for (const { id } of transformations) t.ok(IN_GRAFANA_10.transformations.includes(id), id)
      for (const { matcher } of fieldConfig?.overrides ?? [])
        t.ok(IN_GRAFANA_10.overrides.includes(matcher.id), `${name}: ${title}: ${matcher.id}`)
    }
  }
})
