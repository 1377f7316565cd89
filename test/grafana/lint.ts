// The rules of Grafana's dashboard-linter (https://github.com/grafana/dashboard-linter/blob/main/docs/index.md), and ours.
import { type Dashboard, expressions, type Panel } from './dashboards.ts'
import { selectors } from './promql.ts'

/** What a series is, by its name: of the catalog, of the recording rules, or another's. */
export type TypeOf = (name: string) => 'counter' | 'gauge' | 'histogram' | 'recorded' | undefined

export interface Problem {
  rule: string
  /** The panel and its target, the variable or the annotation. */
  where: string
  what: string
}

const UNITLESS = new Set(['text', 'row'])
const RATES = ['rate', 'irate', 'increase', 'resets']

/** What is wrong with a dashboard. */
export function lint(dashboard: Dashboard, typeOf: TypeOf): Problem[] {
  return [
    ...dashboardProblems(dashboard),
    ...variableProblems(dashboard),
    ...dashboard.panels.flatMap(panelProblems),
    ...expressionProblems(dashboard, typeOf),
    ...linkProblems(dashboard),
    ...gridProblems(dashboard),
  ]
}

function dashboardProblems({ editable, uid, description }: Dashboard): Problem[] {
  return [
    ...(editable ? [at('uneditable-dashboard', '', 'is editable')] : []),
    ...(/^kvmio-[a-z]+$/.test(uid) ? [] : [at('uid', '', `has the uid ${uid}`)]),
    ...(description ? [] : [at('description', '', 'has no description')]),
  ]
}

function variableProblems({ templating }: Dashboard): Problem[] {
  const { list } = templating
  const problems: Problem[] = []
  const report = (rule: string, name: string, what: string) =>
    problems.push(at(rule, `variable ${name}`, what))
  const datasource = list.find(({ name }) => name === 'datasource')
  if (datasource?.type !== 'datasource' || datasource.query !== 'prometheus')
    report('template-datasource', 'datasource', 'does not choose a Prometheus')
  if (datasource?.label !== 'Data Source')
    report('template-datasource', 'datasource', 'is not labelled "Data Source"')
  for (const name of ['job', 'instance']) {
    const variable = list.find((one) => one.name === name)
    if (!variable?.multi) report(`template-${name}`, name, 'is not multi')
    if (variable?.allValue !== '.+') report(`template-${name}`, name, 'has not the allValue .+')
  }
  for (const [index, { name, type, query, refresh }] of list.entries()) {
    if (type !== 'query') continue
    if (refresh !== 2)
      report('template-on-time-change-reload', name, 'is not asked again for another time range')
    const text = typeof query === 'string' ? query : (query?.query ?? '')
    for (const used of variablesIn(text)) {
      const place = list.findIndex((one) => one.name === used)
      if (place < 0 || place >= index) report('chain', name, `asks for $${used}, which comes later`)
    }
  }
  return problems
}

function panelProblems(panel: Panel): Problem[] {
  if (panel.type === 'row') return []
  const { title, description, datasource, targets = [], fieldConfig } = panel
  const problem = (rule: string, what: string) => [at(rule, title, what)]
  const unit = fieldConfig?.defaults.unit
  return [
    ...(title ? [] : problem('panel-title-description', 'has no title')),
    ...((description ?? '').length >= 40
      ? []
      : problem('panel-title-description', 'has no description')),
    ...(unit || UNITLESS.has(panel.type) ? [] : problem('panel-units', 'has no unit')),
    ...(datasource?.uid === '$datasource'
      ? []
      : problem('panel-datasource', 'does not take the data source of the variable')),
    ...(targets.length > 0 || UNITLESS.has(panel.type)
      ? []
      : problem('panel-no-targets', 'asks for nothing')),
    ...shownLabels(panel).flatMap((label) =>
      targets.some(({ expr }) => new RegExp(`\\b${label}\\b`).test(expr))
        ? []
        : problem('table-labels', `shows the label ${label}, which no query keeps`),
    ),
    ...(fieldConfig?.defaults.noValue
      ? []
      : problem('empty-state', 'does not say why it may be empty')),
    ...targets.flatMap(({ refId, datasource, range, instant }) => [
      ...(datasource?.uid === '$datasource'
        ? []
        : problem('panel-datasource', `${refId} takes another`)),
      ...(range !== instant
        ? []
        : problem('target-kind', `${refId} is neither instant nor a range`)),
    ]),
  ]
}

/** The labels that a table has columns for. */
function shownLabels({ transformations = [] }: Panel): string[] {
  const organize = transformations.find(({ id }) => id === 'organize')
  const columns = Object.keys((organize?.options.indexByName as Record<string, number>) ?? {})
  return columns.filter((name) => !/^Value( #[A-Z])?$/.test(name))
}

function expressionProblems(dashboard: Dashboard, typeOf: TypeOf): Problem[] {
  const known = new Set(dashboard.templating.list.map(({ name }) => name))
  return expressions(dashboard).flatMap(({ where, expr }) => {
    const found: Problem[] = []
    const report = (rule: string, what: string) => found.push(at(rule, where, what))
    for (const used of variablesIn(expr)) {
      if (!known.has(used) && !used.startsWith('__')) report('variables', `$${used} is not there`)
    }
    const inVariable = where === 'variable job' || where === 'variable instance'
    for (const { name, matchers, within, range } of selectors(expr)) {
      const type = typeOf(name)
      if (type === undefined) report('metrics', `${name} is no metric that is known`)
      if (!inVariable) {
        if (!matchers.includes('job=~"$job"')) report('target-job', `${name} of any job`)
        if (!matchers.includes('instance=~"$instance"'))
          report('target-instance', `${name} of any instance`)
      }
      if (/\d+\.\d+\.\d+\.\d+|localhost/.test(matchers))
        report('target-instance', `${name} of a host that is written down`)
      for (const [, label, operator, value] of matchers.matchAll(/(\w+)(=~|!~|!=|=)"([^"]*)"/g)) {
        if (value!.includes('$') && !operator!.includes('~'))
          report('target-variable', `${name}{${label}} is not matched as a pattern`)
      }
      const rated = within.find((outer) => RATES.includes(outer))
      if (type === 'counter' && rated === undefined && !isInfo(within))
        report('target-counter-agg', `${name} is a counter, and taken as it is`)
      if (type === 'gauge' && rated !== undefined)
        report('target-counter-agg', `${rated} of ${name}, a gauge`)
      if (rated !== undefined && !['$__rate_interval', '$__range'].includes(range ?? ''))
        report('target-rate-interval', `${rated} of ${name} over ${range}`)
    }
    return found
  })
}

/** A counter that is only asked whether it is there. */
function isInfo(within: readonly string[]): boolean {
  return within.includes('group')
}

function linkProblems({ links, panels }: Dashboard): Problem[] {
  const head = links.flatMap(({ title, url, keepTime, includeVars }) => [
    ...(keepTime && includeVars ? [] : [at('links', title, 'loses the time or the variables')]),
    ...(/^\/d\/kvmio-[a-z]+$/.test(url) ? [] : [at('links', title, `leads to ${url}`)]),
  ])
  const cells = panels.flatMap(({ title, fieldConfig }) =>
    dataLinks(fieldConfig).flatMap(({ url }) => {
      const missing = [...['__url_time_range', 'datasource:queryparam', 'job:queryparam']].filter(
        (word) => !url.includes(`\${${word}}`),
      )
      return [
        ...missing.map((word) => at('links', title, `${url} loses ${word}`)),
        ...(/[?&](var-instance=|\$\{instance:)/.test(url)
          ? []
          : [at('links', title, `${url} loses the instance`)]),
      ]
    }),
  )
  return [...head, ...cells]
}

/** The links of a panel's values and cells. */
export function dataLinks(config: Panel['fieldConfig']): { title: string; url: string }[] {
  const ofCells = (config?.overrides ?? []).flatMap(({ properties }) =>
    properties.flatMap(({ id, value }) =>
      id === 'links' ? (value as { title: string; url: string }[]) : [],
    ),
  )
  return [...(config?.defaults.links ?? []), ...ofCells]
}

/** Each of the 24 columns is filled from the top to the bottom, once. */
export function gridProblems({ panels }: Dashboard): Problem[] {
  const problems: Problem[] = []
  const cells = new Map<string, string>()
  let bottom = 0
  for (const { title, gridPos } of panels) {
    const { x, y, w, h } = gridPos
    if (![x, y, w, h].every(Number.isInteger) || w < 1 || h < 1 || x < 0 || x + w > 24)
      problems.push(at('grid', title, `stands at ${x},${y} and is ${w} x ${h}`))
    bottom = Math.max(bottom, y + h)
    for (let row = y; row < y + h; row++) {
      for (let column = x; column < x + w; column++) {
        const other = cells.get(`${column},${row}`)
        if (other !== undefined) problems.push(at('grid', title, `lies on "${other}"`))
        cells.set(`${column},${row}`, title)
      }
    }
  }
  for (let row = 0; row < bottom; row++) {
    const free = Array.from({ length: 24 }, (_, column) => column).filter(
      (column) => !cells.has(`${column},${row}`),
    )
    if (free.length > 0)
      problems.push(at('grid', '', `row ${row} is free from column ${free[0]} on`))
  }
  const ids = panels.map(({ id }) => id)
  if (new Set(ids).size !== ids.length) problems.push(at('grid', '', 'an id stands twice'))
  return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()]
}

function variablesIn(text: string): string[] {
  return [...text.matchAll(/\$\{?(\w+)/g)]
    .map(([, name]) => name!)
    .filter((name) => /\D/.test(name))
}

function at(rule: string, where: string, what: string): Problem {
  return { rule, where, what }
}
