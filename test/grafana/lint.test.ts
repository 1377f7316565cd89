import t from 'tap'
import { others } from '../../grafana/src/others.ts'
import { allRecorded } from '../../grafana/src/recorded.ts'
import { MEANINGS, meaningOf } from '../../grafana/src/style.ts'
import { catalog } from '../../src/metrics/catalog.ts'
import { readRules } from '../prometheus/rules.ts'
import { type Dashboard, readDashboards } from './dashboards.ts'
import { dataLinks, lint, type Problem, type TypeOf } from './lint.ts'

interface Exception {
  dashboard: string
  rule: string
  where: RegExp
  why: string
}

const EXCEPTIONS: readonly Exception[] = [
  {
    dashboard: 'study.json',
    rule: 'target-counter-agg',
    where: /^(Studies|Runs by outcome) /,
    why: 'how many runs there are in all is the question; the journal keeps the count over restarts',
  },
  {
    dashboard: 'study.json',
    rule: 'target-counter-agg',
    where: /^Durations by case /,
    why: 'the mean of all runs in the journal, most of which ended before the time range begins',
  },
]

const dashboards = await readDashboards()
const recorded = new Set((await readRules()).map(({ record }) => record))

t.test('the dashboards keep to the rules', async (t) => {
  const used = new Set<Exception>()
  for (const [name, dashboard] of dashboards) {
    const problems = lint(dashboard, typeOf).filter((problem) => {
      const exception = EXCEPTIONS.find((one) => excuses(one, name, problem))
      if (exception) used.add(exception)
      return exception === undefined
    })
    t.strictSame(problems, [], name)
  }
  t.strictSame(
    EXCEPTIONS.filter((exception) => !used.has(exception)),
    [],
    'each exception is needed',
  )
})

t.test('what they take from recording rules is recorded', async (t) => {
  const names = allRecorded.map(({ name }) => name)
  t.strictSame(
    names.filter((name) => !recorded.has(name)),
    [],
  )
  const text = JSON.stringify(dashboards)
  t.strictSame(
    names.filter((name) => !text.includes(name)),
    [],
    'and each is used',
  )
})

t.test('they are reached from one another', async (t) => {
  const uids = dashboards.map(([, { uid }]) => uid)
  t.equal(new Set(uids).size, uids.length, 'each uid once')
  for (const [name, { uid, links, panels, templating }] of dashboards) {
    const led = links.map(({ url }) => url.replace('/d/', ''))
    t.strictSame(led.sort(), uids.filter((other) => other !== uid).sort(), `${name} leads to all`)
    for (const { url } of panels.flatMap(({ fieldConfig }) => dataLinks(fieldConfig))) {
      const [, to = '', query = ''] = /^\/d\/([\w-]+)\?(.*)$/.exec(url) ?? []
      const [, target] = dashboards.find(([, dashboard]) => dashboard.uid === to) ?? []
      t.ok(target, `${name}: ${url} leads to a dashboard that is there`)
      const known = target?.templating.list.map((variable) => variable.name) ?? []
      const own = templating.list.map((variable) => variable.name)
      for (const [, set] of query.matchAll(/var-(\w+)=/g))
        t.ok(known.includes(set!), `${name}: ${url}: ${to} has the variable ${set}`)
      for (const [, kept] of query.matchAll(/\$\{(\w+):queryparam\}/g))
        t.ok(own.includes(kept!), `${name}: ${url}: has the variable ${kept} to keep`)
    }
  }
})

t.test('one leads to the next', async (t) => {
  for (const [from, to] of [
    ['fleet', 'tiers'],
    ['tiers', 'device'],
    ['tiers', 'vm'],
    ['device', 'vm'],
    ['vm', 'device'],
    ['vm', 'study'],
    ['vm', 'tiers'],
    ['study', 'vm'],
  ]) {
    const [, { panels }] = dashboards.find(([name]) => name === `${from}.json`)!
    const urls = panels.flatMap(({ fieldConfig }) => dataLinks(fieldConfig)).map(({ url }) => url)
    t.ok(
      urls.some((url) => url.startsWith(`/d/kvmio-${to}?`)),
      `from a value of ${from} to ${to}`,
    )
  }
})

t.test('a word in a legend has one colour', async (t) => {
  const colours = new Map<string, Set<unknown>>()
  for (const [, { panels }] of dashboards) {
    for (const { targets = [], fieldConfig } of panels) {
      for (const { refId, legendFormat = '' } of targets) {
        const meaning = meaningOf(legendFormat)
        if (meaning === undefined) continue
        const override = fieldConfig?.overrides.find(({ matcher }) => matcher.options === refId)
        const { value } = override?.properties.find(({ id }) => id === 'color') ?? {}
        colours.set(meaning, (colours.get(meaning) ?? new Set()).add(JSON.stringify(value)))
      }
    }
  }
  for (const word of ['read', 'write', 'flush', 'guest', 'qemu', 'process', 'device', 'target'])
    t.ok(colours.has(word), `${word} is drawn`)
  for (const [word, values] of colours) {
    const { colour } = MEANINGS[word]!
    t.strictSame([...values], [JSON.stringify({ mode: 'fixed', fixedColor: colour })], word)
  }
  t.throws(() => meaningOf('read of {{device}} by guest'), {
    message: 'legend "read of {{device}} by guest" has two colours: read, guest',
  })
})

t.test('what is wrong would be found', async (t) => {
  const [, good] = dashboards.find(([name]) => name === 'device.json')!
  const cases: [rule: string, change: (dashboard: Dashboard) => unknown][] = [
    ['uneditable-dashboard', (d) => (d.editable = true)],
    ['uid', (d) => (d.uid = 'a8f3')],
    ['template-datasource', (d) => (d.templating.list[0]!.label = 'source')],
    ['template-job', (d) => (d.templating.list[1]!.multi = false)],
    ['template-instance', (d) => delete d.templating.list[2]!.allValue],
    ['template-on-time-change-reload', (d) => (d.templating.list[2]!.refresh = 1)],
    ['chain', (d) => d.templating.list.reverse()],
    ['panel-title-description', (d) => (panel(d).description = 'Short.')],
    ['panel-units', (d) => delete panel(d).fieldConfig!.defaults.unit],
    ['panel-datasource', (d) => (panel(d).datasource!.uid = 'prometheus')],
    ['panel-no-targets', (d) => (panel(d).targets = [])],
    ['empty-state', (d) => delete panel(d).fieldConfig!.defaults.noValue],
    ['table-labels', (d) => replace(d, 'leaf', 'level')],
    ['target-kind', (d) => (panel(d).targets![0]!.instant = panel(d).targets![0]!.range = true)],
    ['target-job', (d) => replace(d, 'job=~"$job",', '')],
    ['target-instance', (d) => replace(d, 'instance=~"$instance"', 'instance="10.0.0.1:10177"')],
    ['target-rate-interval', (d) => replace(d, '$__rate_interval', '5m')],
    ['target-counter-agg', (d) => replace(d, 'rate(', 'deriv(')],
    ['target-variable', (d) => replace(d, 'device=~', 'device=')],
    ['variables', (d) => replace(d, '$device', '$disk')],
    ['metrics', (d) => replace(d, 'kvmio_device_', 'kvmio_disk_')],
    ['links', (d) => (d.links[0]!.keepTime = false)],
    ['grid', (d) => (panel(d).gridPos.w -= 1)],
    ['grid', (d) => (panel(d).gridPos.x -= 1)],
    ['grid', (d) => (panel(d).id = 1)],
  ]
  t.strictSame(lint(good, typeOf), [])
  for (const [rule, change] of cases) {
    const bad = structuredClone(good)
    change(bad)
    const rules = new Set(lint(bad, typeOf).map((problem) => problem.rule))
    t.ok(rules.has(rule), `${rule}: ${change}`)
  }
})

/** A panel in the middle. */
function panel({ panels }: Dashboard) {
  return panels.find(({ type, gridPos }) => type === 'timeseries' && gridPos.x > 0)!
}

function replace(dashboard: Dashboard, what: string, by: string): void {
  for (const { targets = [] } of dashboard.panels) {
    for (const target of targets) target.expr = target.expr.replaceAll(what, by)
  }
}

function excuses({ dashboard, rule, where }: Exception, name: string, problem: Problem): boolean {
  return dashboard === name && rule === problem.rule && where.test(problem.where)
}

function typeOf(name: string): ReturnType<TypeOf> {
  if (recorded.has(name)) return 'recorded'
  const families = [...catalog, ...others]
  const family = families.find((one) => one.name === name)
  if (family) return family.type
  const [, stem] = /^(.*)_(?:bucket|sum|count)$/.exec(name) ?? []
  return families.some((one) => one.name === stem && one.type === 'histogram')
    ? 'counter'
    : undefined
}
